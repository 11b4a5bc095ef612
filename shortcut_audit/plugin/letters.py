"""What pytest shows of an audit's test: a letter, with -v a word, and what it is counted as."""

from __future__ import annotations

from typing import Any

import pytest

from shortcut_audit.records import Verdict

# (blocking, verdict) -> (category, letter, word with colour), where it is not pytest's own; what
# stops nobody is as quiet as a pass
LETTERS: dict[tuple[bool, Verdict], tuple[str, str, tuple[str, dict[str, bool]]]] = {
    (True, Verdict.UNDECIDED): ("undecided", "U", ("UNDECIDED", {"yellow": True})),
    (False, Verdict.UNDECIDED): ("noted", ",", ("NOTED (undecided)", {})),
    (False, Verdict.VIOLATED): ("noted", ",", ("NOTED (violated)", {})),
}
# category -> its letter, and what that means
MEANINGS = {
    "failed": "F = its model is not promoted, or a test failed",
    "not audited": "E = could not be audited",
    "undecided": "U = undecided, so that its model is not promoted",
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
    if any(row["error"] for row in rows):
        if report.skipped:
            return "not asked", "-", ("NOT ASKED", {"yellow": True})
        if not isinstance(report.longrepr, str):
            return None  # an audit that broke is shown with its traceback
        return "not audited", "E", ("NOT AUDITED", {"red": True})
    if not any(row["applies"] for row in rows):
        return "not applicable", "-", ("N/A", {"cyan": True})
    return _letter(rows)


def _letter(rows: list[dict[str, Any]]) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """The first of LETTERS that a finding has; None where none has, or one is a failure."""
    keys = {(row["blocking"] and not row["waived"], Verdict(row["verdict"])) for row in rows}
    if (True, Verdict.VIOLATED) in keys:
        return None
    for key, letter in LETTERS.items():
        if key in keys:
            return letter
    return None
