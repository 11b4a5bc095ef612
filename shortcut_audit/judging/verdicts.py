"""One number per image -> Estimate -> HOLDS, VIOLATED or UNDECIDED."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.judging.advice import advice, not_found
from shortcut_audit.judging.comparison import Comparison
from shortcut_audit.judging.multiplicity import adjusted
from shortcut_audit.judging.positive_control import TIMES_LIMIT, planted
from shortcut_audit.judging.power import images_needed, smallest_detectable
from shortcut_audit.judging.samples import Sample, sample_of
from shortcut_audit.records import Estimate, Judgement, Verdict


def judge(values: np.ndarray, control: np.ndarray | None, comparison: Comparison) -> Judgement:
    """Is the mean effect of `values` over `control` at most the limit?

    values, control: (n,), one number per SOURCE image, paired; yes/no (bool, or 0 and 1) or numbers
    in [-1, 1]. NaN is "undefined for this image" and drops the pair. Without control the effect is
    the mean itself.

    Interval: Clopper-Pearson, Agresti-Min with Tango, or BCa, by the kind of values. No image at
    all is UNDECIDED.

    With `comparison.plant` the planted effect is the smallest that this many images are said to
    find, at least twice the limit. Laws: without it more limit never turns HOLDS into anything
    else; adding siblings never makes VIOLATED.

    Raises:
        UsageError: values and control are not two vectors of one length.
    """
    kept, paired = _defined(values, control)
    comparison = comparison.finite()
    if not len(kept):
        return _nothing_seen(comparison, has_control=control is not None)
    sample = sample_of(kept, paired, comparison.limit, comparison.level, comparison.seed)
    judged = _judged(sample, comparison, paired, observed=float(kept.mean()))
    if comparison.plant and judged.verdict is Verdict.HOLDS:
        positive = _positive_control(comparison, kept, paired, judged.detectable)
        judged = replace(judged, planted=positive.effect)
        if comparison.decide(positive) is not Verdict.VIOLATED:
            judged = _blind(judged, comparison, positive)
    return judged


def p_value(values: np.ndarray, control: np.ndarray | None, comparison: Comparison) -> float:
    """The raw p that `judge` would find, without interval or power; 1 where no image is defined.

    A first pass that makes everybody's `siblings`. Here `comparison.family` says how many tests
    share alpha in all: family * (1 + number of siblings) of the later judgement.
    """
    kept, paired = _defined(values, control)
    if not len(kept):
        return 1.0
    known = replace(comparison, siblings=()).finite()
    sample = sample_of(kept, paired, known.limit, known.level, known.seed, ends=False)
    return known.test(sample)[0]


def _judged(
    sample: Sample, comparison: Comparison, control: np.ndarray | None, observed: float
) -> Judgement:
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
        estimate=Estimate(sample.effect, low, high, comparison.level, int(sample.n), sample.method),
        observed=observed,
        control=None if control is None else float(control.mean()),
        limit=comparison.limit,
        p=p,
        p_adjusted=adjusted(p, comparison.siblings, comparison.family),
        null=null + ("; one reference model is too few to compare with" if lone else ""),
        needed=needed,
        detectable=_detectable(comparison, sample, control),
        advice=advice(comparison, sample, needed) if undecided else "",
        excess=own and own[0],
        excess_high=own and own[1],
    )


def _blind(judged: Judgement, comparison: Comparison, positive: Sample) -> Judgement:
    """The same, where even a planted effect would not have been found: that is no pass."""
    needed, words = not_found(comparison, positive)
    unproven = replace(judged, verdict=Verdict.UNDECIDED, detectable=None, needed=needed)
    return replace(unproven, advice=words, excess=None, excess_high=None)


def _defined(
    values: np.ndarray, control: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Float copies without the images for which either is not finite."""
    values = np.asarray(values, dtype=float)
    paired = None if control is None else np.asarray(control, dtype=float)
    if values.ndim != 1 or (paired is not None and paired.shape != values.shape):
        beside = "" if paired is None else f" and control of shape {paired.shape}"
        raise UsageError(
            f"an audit hands over one number per image, and as many for the control, "
            f"not values of shape {values.shape}{beside}"
        )
    if paired is None:
        return values[np.isfinite(values)], None
    known = np.isfinite(values) & np.isfinite(paired)
    return values[known], paired[known]


def _detectable(comparison: Comparison, sample: Sample, control: np.ndarray | None) -> float | None:
    """The smallest effect found four times in five, if the control leaves room for as much."""
    found = smallest_detectable(sample, comparison.decide)
    room = 1.0 if control is None else float(planted(control, np.inf).mean() - control.mean())
    return found if found is not None and found <= room + 1e-9 else None


def _positive_control(
    comparison: Comparison,
    values: np.ndarray,
    control: np.ndarray | None,
    detectable: float | None,
) -> Sample:
    """The same images and control, had the decoy the effect that they are said to find.

    Where the control leaves no room for it, all that there is room for.
    """
    limit = comparison.limit
    effect = 1.0 if detectable is None else max(TIMES_LIMIT * limit, detectable)
    shown = planted(np.zeros_like(values) if control is None else control, effect)
    return sample_of(shown, control, limit, comparison.level, comparison.seed)


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
