"""One number per image -> Estimate -> HOLDS, VIOLATED or UNDECIDED."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from shortcut_audit.judging.advice import advice, not_found
from shortcut_audit.judging.comparison import Comparison
from shortcut_audit.judging.multiplicity import adjusted
from shortcut_audit.judging.positive_control import TIMES_LIMIT, planted, with_effect
from shortcut_audit.judging.power import images_needed, smallest_detectable
from shortcut_audit.judging.samples import (
    INDEPENDENT,
    Design,
    Outcomes,
    Sample,
    outcomes_of,
    sample_of,
)
from shortcut_audit.records import Estimate, Judgement, Verdict

WITHOUT_GROUPS = (
    "the pictures come from groups, and those of one group tell less than as many of different "
    "ones: the audit must pass groups=... to audit.check or audit.compare"
)


def judge(
    values: np.ndarray,
    control: np.ndarray | None,
    comparison: Comparison,
    design: Design = INDEPENDENT,
) -> Judgement:
    """Is the mean effect of `values` over `control` at most the limit?

    values, control: (n,), one number per SOURCE image, paired; yes/no (bool, or 0 and 1) or numbers
    in [-1, 1]. NaN is "undefined for this image" and drops the pair. Without control the effect is
    the mean itself. design: which images come from one group, and whether the control is of other
    images, (m,); by default neither.

    Interval: Clopper-Pearson, Agresti-Min with Tango, or BCa, by the kind of values; `samples` has
    those over groups, and of two lots of images. No image at all is UNDECIDED.

    With `comparison.plant` the planted effect is the smallest that this many images are said to
    find, at least twice the limit. Laws: without it more limit never turns HOLDS into anything
    else; adding siblings never makes VIOLATED; groups of one image each change nothing.

    Raises:
        UsageError: values, control and groups do not fit each other.
    """
    outcomes, comparison = outcomes_of(values, control, design), comparison.finite()
    if outcomes.empty:
        return _nothing_seen(comparison, has_control=control is not None)
    sample = sample_of(outcomes, comparison.limit, comparison.level, comparison.seed)
    judged = _judged(sample, comparison, outcomes)
    if comparison.plant and judged.verdict is Verdict.HOLDS:
        positive = _positive_control(comparison, outcomes, judged.detectable)
        judged = replace(judged, planted=positive.effect)
        if comparison.decide(positive) is not Verdict.VIOLATED:
            judged = _blind(judged, comparison, positive, outcomes)
    return judged


def without_groups(judgement: Judgement) -> Judgement:
    """The same, where images come from groups and nobody said from which: that decides nothing."""
    undecided = replace(judgement, verdict=Verdict.UNDECIDED, needed=None, advice=WITHOUT_GROUPS)
    return replace(undecided, detectable=None, planted=None, excess=None, excess_high=None)


def p_value(
    values: np.ndarray,
    control: np.ndarray | None,
    comparison: Comparison,
    design: Design = INDEPENDENT,
) -> float:
    """The raw p that `judge` would find, without interval or power; 1 where no image is defined.

    A first pass that makes everybody's `siblings`. Here `comparison.family` says how many tests
    share alpha in all: family * (1 + number of siblings) of the later judgement.
    """
    outcomes = outcomes_of(values, control, design)
    if outcomes.empty:
        return 1.0
    known = replace(comparison, siblings=()).finite()
    sample = sample_of(outcomes, known.limit, known.level, known.seed, ends=False)
    return known.test(sample)[0]


def _judged(sample: Sample, comparison: Comparison, outcomes: Outcomes) -> Judgement:
    """Everything but the positive control."""
    p, null = comparison.test(sample)
    verdict = comparison.decide(sample)
    undecided = verdict is Verdict.UNDECIDED
    needed = images_needed(sample, comparison.decide) if undecided else None
    low, high = sample.interval(comparison.level)
    own = comparison.innocent_excess(sample) if verdict is Verdict.HOLDS else None
    lone = len(comparison.references) == 1 and len(comparison.rashomon) < 2
    return Judgement(
        verdict=verdict,
        estimate=Estimate(
            sample.effect, low, high, comparison.level, outcomes.images, sample.method
        ),
        observed=float(outcomes.values.mean()),
        control=None if outcomes.control is None else outcomes.usual,
        limit=comparison.limit,
        p=p,
        p_adjusted=adjusted(p, comparison.siblings, comparison.family),
        null=null + ("; one reference model is too few to compare with" if lone else ""),
        needed=_images(needed, sample, outcomes),
        detectable=_detectable(comparison, sample, outcomes),
        advice=advice(comparison, sample, needed) if undecided else "",
        excess=own and own[0],
        excess_high=own and own[1],
    )


def _blind(
    judged: Judgement, comparison: Comparison, positive: Sample, outcomes: Outcomes
) -> Judgement:
    """The same, where even a planted effect would not have been found: that is no pass."""
    units, words = not_found(comparison, positive)
    needed = _images(units, positive, outcomes)
    unproven = replace(judged, verdict=Verdict.UNDECIDED, detectable=None, needed=needed)
    return replace(unproven, advice=words, excess=None, excess_high=None)


def _images(units: int | None, sample: Sample, outcomes: Outcomes) -> int | None:
    """Images in all, where so many images or groups of the same sizes are needed."""
    return None if units is None else math.ceil(units * outcomes.images / sample.n - 1e-9)


def _detectable(comparison: Comparison, sample: Sample, outcomes: Outcomes) -> float | None:
    """The smallest effect found four times in five, if the control leaves room for as much."""
    found, control = smallest_detectable(sample, comparison.decide), outcomes.control
    room = 1.0 if control is None else float(planted(control, np.inf).mean()) - outcomes.usual
    return found if found is not None and found <= room + 1e-9 else None


def _positive_control(
    comparison: Comparison, outcomes: Outcomes, detectable: float | None
) -> Sample:
    """The same images and control, had the decoy the effect that they are said to find.

    Where the control leaves no room for it, all that there is room for.
    """
    limit = comparison.limit
    effect = 1.0 if detectable is None else max(TIMES_LIMIT * limit, detectable)
    shown = with_effect(outcomes, effect)
    return sample_of(shown, limit, comparison.level, comparison.seed)


def _nothing_seen(comparison: Comparison, *, has_control: bool) -> Judgement:
    """The judgement where the value is defined for no image: UNDECIDED, whatever the effect."""
    nan = float("nan")
    return Judgement(
        verdict=Verdict.UNDECIDED,
        estimate=Estimate(nan, -1.0, 1.0, comparison.level, 0, "no image"),
        observed=nan,
        control=nan if has_control else None,
        limit=comparison.limit,
        p=None,
        p_adjusted=None,
        null="nothing: the value is defined for no image",
        advice="the value is defined for no image: more images, or other ones, are needed",
    )
