"""How many images, or groups, would decide, and which effect this many could have found."""

from __future__ import annotations

from collections.abc import Callable

from shortcut_audit.judging.samples import Sample
from shortcut_audit.records import Verdict

POWER = 0.8
MOST_IMAGES = 1_000_000

Decide = Callable[[Sample], Verdict]


def images_needed(sample: Sample, decide: Decide) -> int | None:
    """Images (or groups: the sample's units) in all that would decide if the shares stayed as
    observed.

    None where a million would not decide.
    """
    known, enough = int(sample.n), max(2, int(sample.n))
    while decide(sample.grown(enough)) is Verdict.UNDECIDED:
        if enough >= MOST_IMAGES:
            return None
        known, enough = enough, min(MOST_IMAGES, 2 * enough)
    while enough - known > 1:
        middle = (known + enough) // 2
        if decide(sample.grown(middle)) is Verdict.UNDECIDED:
            known = middle
        else:
            enough = middle
    return enough


def smallest_detectable(sample: Sample, decide: Decide, power: float = POWER) -> float | None:
    """The smallest true effect, at most 1, that the n units find (VIOLATED) with this power.

    None where not even an effect of 1 is found. The first step is the smallest estimate that would
    be VIOLATED, by the very rule that decides and with the control as observed; the second is the
    true effect whose estimate reaches it with probability `power`. Law: simulated power at the
    returned effect is 0.8.
    """
    critical = _critical_effect(sample, decide)
    if critical is None:
        return None
    effect = sample.reached_by(critical, power)
    return effect if effect <= 1 else None


def _critical_effect(sample: Sample, decide: Decide) -> float | None:
    """The smallest estimate that is VIOLATED, to one of the steps of `sample.at`."""
    missed, found = -1, sample.steps
    if decide(sample.at(found)) is not Verdict.VIOLATED:
        return None
    while found - missed > 1:
        middle = (missed + found) // 2
        hit = decide(sample.at(middle)) is Verdict.VIOLATED
        missed, found = (missed, middle) if hit else (middle, found)
    return sample.at(found).effect
