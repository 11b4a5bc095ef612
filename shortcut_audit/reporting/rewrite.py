"""verdict.json, or the record of a run that was killed -> Report -> every file once more."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError
from shortcut_audit.records import Decision, Finding, ModelReport, Report
from shortcut_audit.reporting import record
from shortcut_audit.reporting.assembly import provenance
from shortcut_audit.reporting.conclusion import INTERRUPTED, nobody, reporters, why_not_written
from shortcut_audit.reporting.table import summary
from shortcut_audit.showing import exhibits_file

KILLED = "the run was killed before its end: run the audits again, what was computed is kept"


def written_again(folder: Path, split_assets: bool = False) -> Iterator[str]:
    """Writes the reporters' files again, and gives the lines of the summary.

    split_assets: whether the page's style and pictures lie beside it.
    From `verdict.json`; where a run was killed before it wrote that, from its record: then nobody
    is promoted.
    Law: what the report is read from stays as it is, and of the others none is left that was not
        written now.

    Raises:
        UsageError: the folder holds neither, or what it holds cannot be read; or a file could not
            be written.
    """
    verdict = folder / "verdict.json"
    killed = not verdict.exists() and (folder / record.NAME).is_file()
    report, notes = (recovered(folder / record.NAME), []) if killed else shown_again(verdict)
    sources = set() if killed else {verdict.name, exhibits_file.NAME}
    troubles = []
    for reporter in reporters({"split": split_assets}):
        if getattr(reporter, "name", "") not in sources:
            troubles.append(why_not_written(reporter, report, folder))
    if any(troubles):
        raise UsageError(next(filter(None, troubles)))
    yield from summary(report)
    yield from notes


def shown_again(verdict: Path) -> tuple[Report, list[str]]:
    """The report with the exhibits that lie beside it, and a sentence for what cannot be shown.

    Raises:
        UsageError: the file is not there, or is no verdict.
    """
    report = read_report(verdict)
    exhibits, notes = exhibits_file.read(verdict.parent, report)
    return replace(report, exhibits=exhibits), notes


def read_report(path: Path) -> Report:
    """The report that `verdict_json` wrote.

    Raises:
        UsageError: the file is not there, or is no verdict.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        models = {name: _model(model) for name, model in document["models"].items()}
        return Report(
            models=models,
            pairs=tuple(record.from_row(row) for row in document["pairs"]),
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


def recovered(path: Path) -> Report:
    """The report of a run that was killed, as far as its record goes; it promotes nobody.

    Raises:
        UsageError: the record holds no finding, or does not say what the run was about.
    """
    run, findings = record.read(path)
    if not findings or not {"scenario", "models"} <= run.keys():
        raise UsageError(f"'{path}' holds no finding: run `pytest audits/ --models DIR` again")
    models = {}
    for name, described in run["models"].items():
        own = tuple(finding for finding in findings if finding.subjects == (name,))
        if own:
            models[name] = _killed(own, described)
    report = Report(
        models=models,
        pairs=tuple(finding for finding in findings if len(finding.subjects) > 1),
        scenario=run["scenario"],
        suite={"digest": hashlib.sha256().hexdigest(), "files": {}},
        provenance=provenance(),
        exit_code=INTERRUPTED,
        finished=False,
    )
    return nobody(report, KILLED)


def _killed(findings: tuple[Finding, ...], described: Mapping[str, Any]) -> ModelReport:
    """A model of which nothing is decided; `nobody` gives it its sentence."""
    digests = [finding.sha256[0] for finding in findings if finding.sha256]
    return ModelReport(
        decision=Decision.UNDECIDED,
        sentence=KILLED,
        sha256=digests[0] if digests else None,
        file=described["file"],
        reference=described["reference"],
        findings=findings,
    )


def _model(row: Mapping[str, Any]) -> ModelReport:
    return ModelReport(
        decision=Decision(row["verdict"]),
        sentence=row["sentence"],
        sha256=row["sha256"],
        file=row["file"],
        reference=row["reference"],
        findings=tuple(record.from_row(finding) for finding in row["findings"]),
        read_as=row.get("read_as", {}),
    )
