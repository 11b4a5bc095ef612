"""What would decide where a verdict is UNDECIDED: how many images, how many reference models."""

from __future__ import annotations

from dataclasses import replace

from shortcut_audit.judging.comparison import Comparison
from shortcut_audit.judging.positive_control import TIMES_LIMIT
from shortcut_audit.judging.power import images_needed
from shortcut_audit.judging.references import more_references
from shortcut_audit.judging.samples import Sample
from shortcut_audit.records import Verdict

MOST_REFERENCES = 50  # no advice asks for more models than this


def not_found(comparison: Comparison, positive: Sample) -> tuple[int | None, str]:
    """How many units in all would find the planted effect (None: no number), and in words."""
    all_there_is = positive.effect <= TIMES_LIMIT * comparison.limit
    room = ", all that the control leaves room for," if all_there_is else ""
    needed = images_needed(positive, comparison.decide)
    if needed is not None and comparison.decide(positive.grown(needed)) is not Verdict.VIOLATED:
        needed = None
    models = _references_needed(comparison, positive)
    if needed is not None:
        more = f"about {needed} {positive.unit} in all would find it"
    else:
        more = f"more {positive.unit} would not change that"
        more += f"; {models} would" if models else ""
    against = comparison.test(positive)[1]
    words = (
        f"even a planted effect of {100 * positive.effect:.0f} points{room} "
        f"would not have been found, against {against}; {more}"
    )
    return needed, words


def advice(comparison: Comparison, sample: Sample, needed: int | None) -> str:
    """What would decide, in words."""
    more = _references_needed(comparison, sample)
    if needed is not None:
        in_all = f"about {needed} {sample.unit} in all would decide"
        return in_all + (f", or {more}" if more else "")
    if more:
        return f"more {sample.unit} would not decide; {more} would"
    if len(comparison.references) >= 2:
        return _indistinguishable(comparison)
    if sample.effect <= comparison.limit:
        return "as observed, the effect sits on the limit: no number of such images would decide"
    if len(comparison.rashomon) >= 2:
        return (
            "the effect is beyond the limit, but the other models of the set show as much or vary "
            "too much to tell; more images would not decide: name reference models, trained by the "
            "same recipe without the decoy"
        )
    return (
        "more images would not decide: without reference models, trained by the same recipe "
        "without the decoy, nothing tells whether an effect of this size was learned; name three "
        "or more in the manifest (reference: true)"
    )


def _indistinguishable(comparison: Comparison) -> str:
    """The advice where neither images nor models would tell the effect from clean training."""
    little_room = comparison.innocent is not None and max(comparison.references) >= 0.5
    smaller = ": with a smaller or fainter decoy there is more to tell" if little_room else ""
    return (
        f"neither more images nor more models like these {len(comparison.references)} reference "
        f"models would tell it from clean training{smaller}"
    )


def _references_needed(comparison: Comparison, sample: Sample) -> str:
    """How many reference models in all would decide, in words; "" where none would.

    Supposed are models that lie as those lie that are there.
    """
    known = len(comparison.references)
    for m in range(known + 1, MOST_REFERENCES + 1) if known >= 2 else ():
        more = replace(comparison, references=more_references(comparison.references, m))
        if more.decide(sample) is not Verdict.UNDECIDED:
            return f"about {m} reference models in all (there are {known})"
    return ""
