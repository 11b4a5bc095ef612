"""verdict.json -> Report -> every file once more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.records import Decision, ModelReport, Report
from shortcut_audit.reporting.matrix import disagreements, matrix, reasons
from shortcut_audit.reporting.record import from_row


def written_again(folder: Path) -> Iterator[str]:
    """Writes each reporter's file from `verdict.json`, and gives the lines of the summary.

    Raises:
        UsageError: the folder holds no verdict, or one that cannot be read.
    """
    report = read_report(folder / "verdict.json")
    for name in registry.names("reporter"):
        registry.build("reporter", name).write(report, folder)
    yield from matrix(report)
    yield ""
    yield from reasons(report)
    yield from disagreements(report)


def read_report(path: Path) -> Report:
    """The report that `verdict_json` wrote."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Report(
            models={name: _model(model) for name, model in document["models"].items()},
            pairs=tuple(from_row(row) for row in document["pairs"]),
            scenario=document["scenario"],
            suite=document["suite"],
            provenance=document["provenance"],
            exit_code=document["exit_code"],
            data=document.get("data", {}),
            multiplicity=document.get("multiplicity", {}),
            schema=document["schema"],
            finished=document["finished"],
        )
    except OSError as error:
        raise UsageError(
            f"cannot read '{path}': {error.strerror}; run `pytest audits/ --models DIR` first"
        ) from None
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise UsageError(
            f"'{path}' is no verdict file; run `pytest audits/ --models DIR` again"
        ) from None


def _model(row: dict[str, Any]) -> ModelReport:
    return ModelReport(
        decision=Decision(row["verdict"]),
        sentence=row["sentence"],
        sha256=row["sha256"],
        file=row["file"],
        reference=row["reference"],
        findings=tuple(from_row(finding) for finding in row["findings"]),
        read_as=row.get("read_as", {}),
    )
