"""`verdict.json`: the file that gates promotion. Its schema is `verdict.schema.json` beside the
reporting stage.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortcut_audit.files.whole import replacing
from shortcut_audit.records import ModelReport, Report
from shortcut_audit.registry import register
from shortcut_audit.reporting.matrix import accuracy_of
from shortcut_audit.reporting.record import as_row


@register("reporter")
@dataclass(frozen=True)
class VerdictJson:
    """Per model: promote | reject | undecided | waived, the checkpoint's SHA-256 and every
    finding's figures.
    """

    name: str = "verdict.json"

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        document = {
            "schema": report.schema,
            "finished": report.finished,
            "scenario": report.scenario,
            "suite": report.suite,
            "data": report.data,
            "models": {name: _model(model) for name, model in report.models.items()},
            "pairs": [as_row(finding) for finding in report.pairs],
            **({"multiplicity": report.multiplicity} if report.multiplicity else {}),
            "provenance": report.provenance,
            "exit_code": report.exit_code,
        }
        path = folder / self.name
        with replacing(path) as unfinished:
            unfinished.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return path


def _model(model: ModelReport) -> dict[str, Any]:
    return {
        "verdict": model.decision.value,
        "sentence": model.sentence,
        "sha256": model.sha256,
        "file": model.file,
        "read_as": model.read_as,
        "accuracy": _accuracy(model),
        "reference": model.reference,
        "findings": [as_row(finding) for finding in model.findings],
    }


def _accuracy(model: ModelReport) -> dict[str, Any] | None:
    """Right answers on plain validation images, as a share with its interval, and what chance would
    give.
    """
    found = accuracy_of(model)
    if found is None:
        return None
    row = as_row(found)
    return {
        "value": row["value"],
        "low": row["low"],
        "high": row["high"],
        "chance": row["limit"],
        "n": row["n"],
    }
