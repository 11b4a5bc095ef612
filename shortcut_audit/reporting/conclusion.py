"""How a report ends: what no test says, what could not be asked, what an unfinished run leaves."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.contracts import Reporter
from shortcut_audit.errors import advice_on_room
from shortcut_audit.promotion import open_findings
from shortcut_audit.records import Decision, Report

FAILED, INTERRUPTED, NOT_WRITTEN = 1, 2, 3  # pytest's exit codes
OURS = "shortcut_audit.reporting.reporters."
GATES = {f"{OURS}verdict_json", f"{OURS}junit_per_model"}  # what a pipeline decides by


def reporters(options: Mapping[str, Any] | None = None) -> list[Reporter]:
    """One of each kind; each takes those of the options that it has."""
    built = []
    for name in registry.names("reporter"):
        known = {field.name for field in fields(registry.lookup("reporter", name))}
        own = {option: value for option, value in (options or {}).items() if option in known}
        built.append(registry.build("reporter", name, own))
    return built


def is_needed(reporter: Reporter) -> bool:
    """Whether no verdict may stand without its file: of ours only those that a pipeline decides by;
    what a user's own is for nobody knows.
    """
    module = type(reporter).__module__
    return module in GATES or not module.startswith(OURS)


def why_not_written(reporter: Reporter, report: Report, folder: Path) -> str:
    """Has a reporter write its file; the sentence that says why it could not, "" where it could.

    Law: then nothing is left of the file, an older one neither.
    """
    try:
        reporter.write(report, folder)
    except OSError as error:
        trouble = not_written(error, folder)
    except Exception as error:  # a reporter may be the user's own
        trouble = (
            f"{type(reporter).__name__} could not write its part of the report "
            f"({type(error).__name__}: {error}): mend it and run again, the evidence is kept"
        )
    else:
        return ""
    with suppress(OSError):
        (folder / getattr(reporter, "name", "")).unlink(missing_ok=True)
    return trouble


def report_files(reports: Path) -> list[Path]:
    """What the registered reporters write into this folder."""
    return [reports / each.name for each in reporters() if getattr(each, "name", "")]


def left_out(report: Report) -> dict[str, str]:
    """Undecided models that no test of their own stops: name -> the sentence that says why.

    Of an interrupted run without a finding that is nothing: why it was is what there is to say.
    """
    if not report.models and report.finished:
        return {
            "audit": "nothing was audited by an audit of one model: "
            "a run without a finding is a failed gate"
        }
    found = {}
    for name, model in report.models.items():
        said = {finding.claim for finding in open_findings(model.findings)}
        if model.decision is Decision.UNDECIDED and model.sentence not in said:
            found[name] = model.sentence
    return found


def not_asked(report: Report) -> list[str]:
    """What could not be asked and blocks nothing, each sentence once.

    Left out is what the report says of a model already.
    """
    findings = list(report.pairs)
    for model in report.models.values():
        findings += model.findings
    claims = {each.claim for each in findings if each.error and not each.blocking}
    said = {model.sentence for model in report.models.values()}
    return [f"not asked: {claim}" for claim in sorted(claims - said)]


def not_written(error: OSError, where: Path) -> str:
    """What was to be written, and what kept it from being."""
    return (
        f"cannot write '{error.filename2 or error.filename or where}' ({error.strerror or error}): "
        f"{advice_on_room(error)}name another --audit-reports"
    )


def nobody(report: Report, why: str) -> Report:
    """The same findings, and no model that is decided on."""
    models = {}
    for name, model in report.models.items():
        sentence = f"{name} is undecided: {why}"
        models[name] = replace(model, decision=Decision.UNDECIDED, sentence=sentence)
    return replace(report, models=models)
