"""How a report ends: what no test of its own says, what could not be asked, and what is left when
the run did not end well.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from shortcut_audit import registry
from shortcut_audit.promotion import stops
from shortcut_audit.records import Decision, Report

FAILED, INTERRUPTED, NOT_WRITTEN = 1, 2, 3  # pytest's exit codes


def report_files(reports: Path) -> list[Path]:
    """What the registered reporters write into this folder."""
    built = [registry.build("reporter", name) for name in registry.names("reporter")]
    return [reports / each.name for each in built if getattr(each, "name", "")]


def left_out(report: Report) -> dict[str, str]:
    """Models that no test of their own stops and that are undecided all the same: name -> the
    sentence that says so.
    """
    if not report.models:
        return {
            "audit": "nothing was audited by an audit of one model: a run without a finding is a failed gate"
        }
    undecided = {
        name: model for name, model in report.models.items() if model.decision is Decision.UNDECIDED
    }
    return {
        name: model.sentence
        for name, model in undecided.items()
        if not any(stops(finding) and finding.claim == model.sentence for finding in model.findings)
    }


def not_asked(report: Report) -> list[str]:
    """What could not be asked, blocks nothing and is not said of a model already, each sentence
    once.
    """
    findings = [
        *report.pairs,
        *(finding for model in report.models.values() for finding in model.findings),
    ]
    said = {model.sentence for model in report.models.values()}
    claims = {each.claim for each in findings if each.error and not each.blocking}
    return [f"not asked: {claim}" for claim in sorted(claims - said)]


def not_written(error: OSError, where: Path) -> str:
    """What was to be written, and what kept it from being."""
    return f"cannot write '{error.filename or where}' ({error.strerror or error}): make room, or name another --audit-reports"


def nobody(report: Report, why: str) -> Report:
    """The same findings, and no model that is decided on."""
    models = {
        name: replace(model, decision=Decision.UNDECIDED, sentence=f"{name} is undecided: {why}")
        for name, model in report.models.items()
    }
    return replace(report, models=models)
