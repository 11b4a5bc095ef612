"""Is a model as accurate as the best one, within epsilon? (n,) right or wrong, twice -> Judgement."""

from __future__ import annotations

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.judging.power import images_needed
from shortcut_audit.judging.samples import Pairs, Sample
from shortcut_audit.records import Estimate, Judgement, Verdict


def judge_membership(correct: np.ndarray, best: np.ndarray | None, epsilon: float, alpha: float = 0.05) -> Judgement:
    """Is the accuracy that this model lacks to the best one at most epsilon, on the same (n,) validation images?

    The value is best minus own, so that "at most" reads as it does for an effect. HOLDS (a member): the interval's high end
    is below epsilon; VIOLATED: its low end is above; else UNDECIDED, with the images that would resolve epsilon.
    The best model itself (`best` None or the very same array) HOLDS by definition: nothing has to be estimated.

    Raises:
        UsageError: the two arrays are not vectors of one length.
    """
    level = 1 - 2 * alpha
    own = np.asarray(correct, dtype=bool)
    other = own if best is None else np.asarray(best, dtype=bool)
    if own.ndim != 1 or own.shape != other.shape:
        raise UsageError(f"membership compares right or wrong on the same images, not shapes {own.shape} and {other.shape}")
    n, null = len(own), "the best model of the set"
    if not n:
        nothing = Estimate(float("nan"), -1.0, 1.0, level, 0, "no image")
        nan = float("nan")
        return Judgement(Verdict.UNDECIDED, nothing, nan, nan, epsilon, None, None, null, advice="there is no validation image")
    sample = Pairs(float((other & ~own).sum()), float((own & ~other).sum()), n)
    itself = best is None or best is correct
    low, high = (0.0, 0.0) if itself else sample.interval(level)

    def decide(supposed: Sample) -> Verdict:
        return _within(*supposed.interval(level), epsilon)

    verdict = _within(low, high, epsilon)
    needed = images_needed(sample, decide) if verdict is Verdict.UNDECIDED else None
    return Judgement(
        verdict=verdict,
        estimate=Estimate(sample.effect, low, high, level, n, "the best model itself" if itself else sample.method),
        observed=float(other.mean()),
        control=float(own.mean()),
        limit=epsilon,
        p=None,
        p_adjusted=None,
        null=null,
        needed=needed,
        advice=_advice(n, epsilon, needed) if verdict is Verdict.UNDECIDED else "",
    )


def _within(low: float, high: float, epsilon: float) -> Verdict:
    if high < epsilon:
        return Verdict.HOLDS
    return Verdict.VIOLATED if low > epsilon else Verdict.UNDECIDED


def _advice(n: int, epsilon: float, needed: int | None) -> str:
    if needed is None:
        return f"the accuracy difference as observed sits on epsilon = {epsilon:g}: no number of such images would decide"
    return f"{n} images are too few to resolve epsilon = {epsilon:g}: about {needed} in all would"
