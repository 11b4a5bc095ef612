"""The end of a run: what its models disagree on, what can be shown, and what becomes of all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortcut_audit.records import Finding, Report
from shortcut_audit.reporting.conclusion import FAILED, INTERRUPTED, nobody

if TYPE_CHECKING:
    from shortcut_audit.evidence.collection import Evidence
    from shortcut_audit.exhibits import Exhibit


def concluded(report: Report, interrupted: str, doubts: Collection[str], code: int) -> Report:
    """The report with its exit code, and with nobody promoted where it cannot be relied on.

    Args:
        report: of which nothing is decided yet but by its findings.
        interrupted: why the run did not come to its end, as a sentence; "" where it did.
        doubts: on what was audited, a sentence each.
        code: pytest's own exit code, which stands where the run was interrupted; in one that was
            not, whether a test failed.
    """
    if interrupted:
        return replace(nobody(report, interrupted), exit_code=code or INTERRUPTED)
    if doubts:
        return replace(nobody(report, "; ".join(sorted(doubts))), exit_code=FAILED)
    return replace(report, exit_code=report.exit_code or (FAILED if code else 0))


def shown(
    evidence: Callable[[], Evidence], report: Report, reports: Path, notes: set[str]
) -> tuple[Exhibit, ...]:
    """What the report shows; what keeps it from being shown is a note, for no verdict depends on
    it.
    """
    from shortcut_audit.showing.collect import exhibits

    try:
        return exhibits(evidence(), report, reports)
    except (Exception, SystemExit) as error:
        notes.add(f"no pictures could be made for the report: {error}")
        return ()


def disagreeing(
    evidence: Callable[[], Evidence], findings: Sequence[Finding], notes: set[str]
) -> dict[str, Any]:
    """How far the set's members disagree; what keeps it from being measured is a note, for no
    verdict depends on it.
    """
    if not findings:
        return {}
    from shortcut_audit.harness.disagreement import multiplicity

    try:
        return multiplicity(evidence(), findings)
    except (Exception, SystemExit) as error:
        notes.add(f"how far the models disagree could not be measured: {error}")
        return {}
