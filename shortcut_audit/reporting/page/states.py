"""Finding -> what a page shows of it: a word, a symbol, a tone, and its figures as data-*."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shortcut_audit.promotion import Standing, standing
from shortcut_audit.records import Decision, Finding, Verdict
from shortcut_audit.reporting.deciding import ASKS
from shortcut_audit.reporting.record import as_row

# what a finding's element carries, so that a machine reads from the page what verdict.json says
CARRIED = (
    "audit",
    "decoy",
    "verdict",
    "value",
    "low",
    "high",
    "limit",
    "n",
    "observed",
    "control",
    "p",
    "p_adjusted",
    "detectable",
    "needed",
)


@dataclass(frozen=True)
class State:
    """How a finding stands; `tone` is the class that colours it."""

    word: str
    symbol: str
    tone: str


@dataclass(frozen=True)
class Shown:
    """A finding with the id under which the page has it, and how it stands."""

    id: str
    finding: Finding
    state: State


DOES_NOT_APPLY = State("does not apply", "–", "none")
NOT_ASKED = State("not asked", "–", "none")
BROKEN = State("could not be audited", "✗", "bad")
WAIVED = State("waived", "!", "waived")
INNOCENT = State("beyond the limit, as clean models are", "~", "good")
INSIDE = State("inside the limit", "✓", "good")
UNDECIDED = State("undecided", "?", "open")
BEYOND = State("beyond the limit", "✗", "bad")
NOTED = State("beyond the limit, which blocks nothing", "✗", "noted")
STATES = {
    Standing.ERROR: BROKEN,
    Standing.VIOLATED: BEYOND,
    Standing.UNDECIDED: UNDECIDED,
    Standing.WAIVED: WAIVED,
    Standing.NOTED: NOTED,
    Standing.HOLDS: INSIDE,
    Standing.DOES_NOT_APPLY: DOES_NOT_APPLY,
    Standing.NOT_ASKED: NOT_ASKED,
}
LEGEND = {  # what a cell's symbol means, in few words
    BEYOND: "beyond its limit",
    BROKEN: "could not be audited",
    UNDECIDED: "undecided; its finding says what would decide",
    WAIVED: "waived",
    NOTED: "beyond its limit, which decides nothing here",
    INSIDE: "inside its limit",
    INNOCENT: "inside it, once what clean models show is taken off",
    NOT_ASKED: "not measured",
    DOES_NOT_APPLY: "does not apply",
}
DECIDED = {  # a model's, in the same words and tones
    Decision.REJECT: State("Rejected", "✗", "bad"),
    Decision.UNDECIDED: State("Undecided", "?", "open"),
    Decision.WAIVED: State("Waived", "!", "waived"),
    Decision.PROMOTE: State("Promoted", "✓", "good"),
}


def state(finding: Finding) -> State:
    """How a finding stands. Law: WAIVED, BEYOND and BROKEN are what `standing` says of it."""
    stands = standing(finding)
    if stands is Standing.NOTED and finding.verdict is Verdict.UNDECIDED:
        return UNDECIDED
    if stands is Standing.HOLDS and finding.judgement.excess is not None:
        return INNOCENT
    return STATES[stands]


def attributes(finding: Finding) -> dict[str, str]:
    """`data-value`, `data-low`, ...: the figures of `verdict.json`, digit by digit.

    Law: what is null there has no attribute here.
    """
    row = as_row(finding)
    found = {}
    for name in CARRIED:
        if row[name] is not None:
            found[f"data-{name.replace('_', '-')}"] = str(row[name])
    return found


def reason(finding: Finding) -> str:
    """Why it is undecided, and what would decide; "" of any other finding."""
    return finding.claim.partition(ASKS)[2] if finding.verdict is Verdict.UNDECIDED else ""


def figure(finding: Finding) -> str:
    """The effect in whole points, `84`; `–` where nothing was measured."""
    estimate = finding.judgement.estimate
    if finding.error or not finding.applies or estimate.n == 0 or math.isnan(estimate.value):
        return "–"
    return str(round(100 * estimate.value))
