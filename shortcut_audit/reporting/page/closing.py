"""What the end of the page says: what did not count, what the audits are worth, where all of it is
from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shortcut_audit.files.sources import shipped_calibration
from shortcut_audit.records import Report
from shortcut_audit.reporting.conclusion import left_out
from shortcut_audit.reporting.page.models import ModelView
from shortcut_audit.reporting.page.states import DOES_NOT_APPLY, NOT_ASKED, NOTED, WAIVED, Shown

KINDS = {  # a finding's state -> the heading under which it is listed
    WAIVED: "Waived",
    NOTED: "Beyond a limit, and blocks nothing",
    NOT_ASKED: "Could not be asked, and blocks nothing",
    DOES_NOT_APPLY: "Does not apply",
}


@dataclass(frozen=True)
class Errs:
    """How often the audits erred on one population of models whose answer is known."""

    pictures: str
    date: str
    clean: int
    false_alarms: int
    at_most: float
    undecided: int
    decoy: int
    found: int
    at_least: float


def remarks(views: Sequence[ModelView], pairs: Sequence[Shown]) -> dict[str, list[Shown]]:
    """Heading -> the findings that did not decide, for each kind that there is."""
    shown: list[Shown] = []
    for view in views:
        shown += view.findings
    kinds = {}
    for state, heading in KINDS.items():
        of = [each for each in (*shown, *pairs) if each.state == state]
        if of:
            kinds[heading] = of
    return kinds


def not_run(report: Report) -> list[str]:
    """Sentences about models that no finding stops, and what the run noted."""
    notes = report.provenance.get("notes", ())
    return [*left_out(report).values(), *(str(note) for note in notes)]


def how_often_they_err() -> list[Errs]:
    """From the calibration that this version ships; empty where it ships none."""
    path = shipped_calibration()
    return list(_populations(json.loads(path.read_text(encoding="utf-8")))) if path else []


def _populations(calibration: Mapping[str, Any]) -> Iterator[Errs]:
    for each in (calibration, *calibration.get("beside", {}).values()):
        decoy = each["power_by_behaviour"]["decoy"]
        yield Errs(
            pictures=each["pictures"],
            date=each["date"],
            clean=each["clean"],
            false_alarms=each["false_alarms"],
            at_most=each["false_alarm_rate_at_most"],
            undecided=each["undecided_clean"],
            decoy=decoy["models"],
            found=decoy["found"],
            at_least=decoy["at_least"],
        )


def provenance(report: Report) -> list[tuple[str, str]]:
    """What was run on what, as pairs of a term and its value, sorted by the term.

    The time is in `verdict.json` alone: the same findings give the same page.
    """
    told = {key: each for key, each in report.provenance.items() if key not in ("time", "notes")}
    run = {
        "scenario": report.scenario,
        "audits": report.suite,
        "pictures": report.data,
        "exit code": report.exit_code,
        **told,
    }
    return sorted(_flat(run, ""))


def _flat(value: Any, term: str) -> Iterator[tuple[str, str]]:
    """`{"a": {"b": 1}}` -> ("a: b", "1")."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _flat(each, f"{term}: {key}" if term else str(key))
    elif isinstance(value, (list, tuple)):
        yield term, ", ".join(map(str, value)) or "none"
    else:
        yield term, str(value)
