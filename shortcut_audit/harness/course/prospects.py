"""Scenario + counts of pictures and models -> what an audit of them can come to.

It is said before anything is measured.

A perfect model is judged, which the decoy never turns, by the very rules that judge real ones. What
keeps it from passing keeps every model from passing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from shortcut_audit.harness.questions import weight
from shortcut_audit.judging import Comparison, judge
from shortcut_audit.judging.references import SHOW_INNOCENCE
from shortcut_audit.promotion import blocks
from shortcut_audit.records import Candidate, Judgement, Verdict
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest.references import references_for
from shortcut_audit.subjects.pictures.material import Material

OTHERS, MEMBERS, MASKED = "pictures of other classes", "pictures of its class", "masks"
ASKED = {  # audits of ours that may decide -> their limit, and what they ask about each decoy
    "decoy_insertion": ("insertion", OTHERS),
    "decoy_removal": ("removal", MEMBERS),
    "mask_localisation": ("localisation", MASKED),
}


@dataclass(frozen=True)
class Prospect:
    """What one deciding audit of one decoy can come to."""

    audit: str
    decoy: str
    n: int
    of: str  # what the n are
    judgement: Judgement  # of the perfect model


def prospects(
    scenario: Scenario, counts: Mapping[str, int], references: int, others: int
) -> list[Prospect]:
    """One for each of our audits that decide and each decoy whose class is there.

    counts: class -> validation pictures. references: with how many a model is compared, itself
        left out; others: how many models
    stand in for them where none is named.
    """
    found = []
    comparison = Comparison(
        limit=0.0,
        references=[0.0] * references,
        rashomon=[0.0] * others,
        siblings=[1.0] * (len(scenario.decoys) - 1),
        plant=True,
    )
    for audit in (each for each in ASKED if blocks(scenario, each)):
        name, of = ASKED[audit]
        limit: float = getattr(scenario.limits, name)
        family = weight(len(scenario.deciding), swept=of != MASKED)
        for decoy in scenario.decoys:
            n = _asked(scenario, counts, decoy, of)
            zeros = np.zeros(n) if of == MASKED else np.zeros(n, bool)
            perfect = judge(zeros, zeros, replace(comparison, limit=limit, family=family))
            found.append(Prospect(audit, decoy, n, of, perfect))
    return found


def _asked(scenario: Scenario, counts: Mapping[str, int], decoy: str, of: str) -> int:
    """How many pictures an audit asks about; at worst, where no class is named."""
    target, whole = scenario.target(decoy), sum(counts.values())
    members = counts.get(target, 0) if target else min(counts.values(), default=0)
    if of == OTHERS:
        return whole - (members if target else max(counts.values(), default=0))
    return min(members, scenario.masks.images) if of == MASKED else members


def foreseen(scenario: Scenario, candidates: Sequence[Candidate]) -> list[str]:
    """The lines for the head of a run; none where the data set cannot count its pictures before
    they are loaded, or where they come from groups, which count otherwise.
    """
    references = _references_of_the_worst(candidates)
    named = any(candidate.reference for candidate in candidates)
    counts: dict[str, int] | None = None
    # whatever is wrong with the data is said when it is loaded, and a user's own may raise anything
    with suppress(Exception):
        material = Material(scenario)
        counts = None if material.in_groups else material.counts("validation")
    known = (
        prospects(scenario, counts, references, 0 if named else max(0, len(candidates) - 1))
        if counts
        else []
    )
    hopeless = [each for each in known if each.judgement.verdict is not Verdict.HOLDS]
    if hopeless:
        worst = min(hopeless, key=lambda each: each.n)
        why = f"{worst.n} {worst.of} are too few: {worst.judgement.advice}"
        return [
            f"NO MODEL CAN PASS {worst.audit} with {worst.decoy}, not even a perfect one; {why}"
        ]
    said = []
    for audit in dict.fromkeys(each.audit for each in known):
        worst = max((each for each in known if each.audit == audit), key=_least)
        said.append(f"{audit} {100 * _least(worst):.0f} points ({worst.n} {worst.of})")
    return [f"can find: {', '.join(said)}", _references(scenario, references)] if said else []


def _references_of_the_worst(candidates: Sequence[Candidate]) -> int:
    """With how many references the model that has fewest is compared; of references themselves only
    where there is no other.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    asked = [each.name for each in candidates if not each.reference] or list(by_name)
    return min((len(set(references_for((name,), by_name)) - {name}) for name in asked), default=0)


def _least(prospect: Prospect) -> float:
    """The smallest effect that is found four times in five."""
    return prospect.judgement.detectable or 1.0


def _references(scenario: Scenario, references: int) -> str:
    """What the reference models are good for."""
    innocent = f"{100 * scenario.limits.innocent:.0f} points"
    if references >= SHOW_INNOCENCE:
        return (
            f"references: an effect of up to {innocent} into the class that is named is innocent "
            f"where {references} show it too"
        )
    compared = "no other" if not references else f"{references} other"
    return (
        f"references: a model is compared with {compared}, and only {SHOW_INNOCENCE} or more can "
        f"show that an effect, of up to {innocent}, is innocent"
    )
