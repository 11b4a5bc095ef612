"""What pytest shows of an audit's test: a letter, with -v a word, and what it is counted as."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from shortcut_audit.promotion import Standing, standing
from shortcut_audit.records import Finding, Verdict
from shortcut_audit.reporting.record import from_row

Letter = tuple[str, str, tuple[str, dict[str, bool]]]  # category, letter, word with colour
# where it is not pytest's own, the worst first; what stops nobody is as quiet as a pass
LETTERS: dict[tuple[Standing, Verdict], Letter] = {
    (Standing.UNDECIDED, Verdict.UNDECIDED): ("undecided", "U", ("UNDECIDED", {"yellow": True})),
    (Standing.WAIVED, Verdict.VIOLATED): ("waived", "w", ("WAIVED", {"yellow": True})),
    (Standing.WAIVED, Verdict.UNDECIDED): ("waived", "w", ("WAIVED", {"yellow": True})),
    (Standing.NOTED, Verdict.VIOLATED): ("noted", ",", ("NOTED (violated)", {})),
    (Standing.NOTED, Verdict.UNDECIDED): ("noted", ",", ("NOTED (undecided)", {})),
}
# category -> its letter, and what that means
MEANINGS = {
    "failed": "F = its model is not promoted, or a test failed",
    "not audited": "E = could not be audited",
    "undecided": "U = undecided, so that its model is not promoted",
    "waived": "w = waived: somebody took the responsibility, in the scenario",
    "noted": "',' = only noted, for the audit does not block",
    "not asked": "- = could not be asked, and does not block",
    "not applicable": "- = does not apply",
}


def pytest_report_teststatus(report: pytest.TestReport) -> Any:
    """The category, the letter and the word that pytest shows for an audit; None: pytest's own."""
    rows = getattr(report, "findings", None)
    # pytest-rerunfailures has a word of its own for a test that runs again
    if not rows or report.outcome == "rerun":  # type: ignore[comparison-overlap]
        return None
    findings = [from_row(row) for row in rows]
    stand = {standing(finding) for finding in findings}
    if stand & {Standing.ERROR, Standing.NOT_ASKED}:
        if report.skipped:
            return "not asked", "-", ("NOT ASKED", {"yellow": True})
        if not isinstance(report.longrepr, str):
            return None  # an audit that broke is shown with its traceback
        return "not audited", "E", ("NOT AUDITED", {"red": True})
    if stand == {Standing.DOES_NOT_APPLY}:
        return "not applicable", "-", ("N/A", {"cyan": True})
    return None if Standing.VIOLATED in stand else _letter(findings)


def _letter(findings: Iterable[Finding]) -> Letter | None:
    """The first of LETTERS that a finding has; None where none has."""
    keys = {(standing(finding), finding.verdict) for finding in findings}
    return next((letter for key, letter in LETTERS.items() if key in keys), None)
