"""One-sided p values of the mean of (n,) numbers, and of a count."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats
from scipy.special import betainc

from shortcut_audit.judging.intervals import Interval

FLIPS = 9999  # fewer above 1,000 images, to save time


def sign_flip_p(differences: np.ndarray, seed: int = 0) -> float:
    """One-sided p of the mean of (n,) differences against no effect, by sign flips; never 0.

    If there is no effect, decoyed and control may change places within each image. Chosen over
    Wilcoxon (which ranks, and so tests another quantity than the mean in the interval) and over the
    t test (which assumes normality at small n).
    """
    rng = np.random.default_rng((seed, len(differences), 1))
    observed = differences.sum() - 1e-9
    flips = max(999, min(FLIPS, 10_000_000 // len(differences)))
    batch = max(1, 1_000_000 // len(differences))
    beyond = 0
    for start in range(0, flips, batch):
        shape = (min(batch, flips - start), len(differences))
        swapped = rng.integers(0, 2, shape, dtype=np.int8)  # 1: places changed
        flipped = differences.sum() - 2 * (swapped.astype(np.float64) @ differences)
        beyond += int((flipped >= observed).sum())
    return (1 + beyond) / (flips + 1)


def mean_above_p(values: np.ndarray, limit: float, span: Interval = (0.0, 1.0)) -> float:
    """One-sided p of the mean of (n,) values against the limit, by the t test.

    For equal values, which have no spread, it is the p whose bound is `unseen`.
    """
    if len(values) > 1 and np.ptp(values) > 1e-12:
        return float(stats.ttest_1samp(values, limit, alternative="greater").pvalue)
    return unseen_p(float(values[0]), len(values), limit, span[0])


def unseen_p(mean: float, n: float, limit: float, bottom: float) -> float:
    """The p of n equal values against a mean of `limit`, of numbers that are at least `bottom`.

    Law: it is alpha where the low end of `unseen` at 1 - alpha is on the limit.
    """
    if mean <= limit:
        return 1.0
    return float(max(0.0, (limit - bottom) / (mean - bottom)) ** n)


def binomial_tail(events: float, n: float, rate: float) -> float:
    """P(at least `events` of n), as scipy's one-sided `binomtest`; counts may be fractions."""
    return 1.0 if events <= 0 else float(betainc(events, n - events + 1, rate))


def rate_that_reaches(events: float, n: float, power: float) -> float:
    """The smallest true rate at which at least `events` of n are seen with this power."""
    count = math.ceil(events - 1e-9)
    if count <= 0:
        return 0.0
    if count > n:
        return math.inf
    return float(stats.beta.ppf(power, count, n - count + 1))
