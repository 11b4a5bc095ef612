"""Confidence intervals: counts or numbers -> (low, high).

Each end is a one-sided bound at (1 + level) / 2. With level 0.90 an end errs in about 5 % of cases
(by simulation 6 % at worst, tests/judging/test_intervals.py). Counts may be fractions: `power` asks
what an interval would be with more images of the same kind.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import stats
from scipy.special import betaincinv, ndtri

RESAMPLES = 4000  # fewer above 5,000 images

Interval = tuple[float, float]


@cache
def normal_quantile(level: float) -> float:
    """The z of a two-sided interval at this level: 1.645 for 0.90."""
    return float(ndtri((1 + level) / 2))


def clopper_pearson(events: float, n: float, level: float) -> Interval:
    """The exact interval of one rate, both ends in [0, 1].

    Law: for whole counts it is scipy's `binomtest(...).proportion_ci(method="exact")`.

    Zero events in n images bound the rate below 10 / 5 / 2 / 1 % only from n = 29 / 59 / 149 / 299
    on, at level 0.90.
    """
    tail = (1 - level) / 2
    low = 0.0 if events <= 0 else float(betaincinv(events, n - events + 1, tail))
    high = 1.0 if events >= n else float(betaincinv(events + 1, n - events, 1 - tail))
    return low, high


def agresti_min(gained: float, lost: float, n: float, level: float) -> Interval:
    """The difference of two paired proportions (Agresti & Min 2005), both ends in [-1, 1].

    It is Wald's interval after adding 1/2 to each of the four cells. `gained` images say yes only
    under the first condition, `lost` only under the second; `n` counts all images.
    """
    total = n + 2
    difference = (gained - lost) / total
    spread = math.sqrt(gained + lost + 1 - (gained - lost) ** 2 / total) / total
    half = normal_quantile(level) * spread
    return max(-1.0, difference - half), min(1.0, difference + half)


def tango(gained: float, lost: float, n: float, level: float) -> Interval:
    """The difference of two paired proportions from the score test (Tango 1998).

    Law: with `lost` = 0 its high end is Wilson's.
    """
    z = normal_quantile(level)
    difference = (gained - lost) / n

    def score(delta: float) -> float:
        linear = (2 * n - gained + lost) * delta - gained - lost
        root = math.sqrt(max(0.0, linear**2 + 8 * n * lost * delta * (1 - delta)))
        rate = (root - linear) / (4 * n)
        variance = n * (2 * rate + delta * (1 - delta))
        distance = gained - lost - n * delta
        if variance > 1e-12:
            return distance / math.sqrt(variance)
        return math.copysign(math.inf, distance)

    low = _crossing(lambda delta: score(delta) < z, -1.0, difference)
    high = _crossing(lambda delta: score(delta) < -z, difference, 1.0)
    return low, high


def paired_difference(gained: float, lost: float, n: float, level: float) -> Interval:
    """The interval that decides for paired yes/no values: the hull of three intervals.

    It is Agresti-Min's, nowhere narrower than Tango's or than `unseen`. Agresti-Min's far end alone
    is exceeded in up to 16 % of cases (n = 32, true difference 0.10, nobody lost) where 5 % is
    promised, and no event in 15 images would pass for "below 10 %". The hull keeps both ends at 6 %
    at worst.
    """
    parts = (
        agresti_min(gained, lost, n, level),
        tango(gained, lost, n, level),
        unseen((gained - lost) / n, n, level),
    )
    return min(low for low, _ in parts), max(high for _, high in parts)


def unpaired_difference(
    shown: tuple[float, float], others: tuple[float, float], level: float
) -> Interval:
    """The difference of two independent proportions, each given as (events, n); ends in [-1, 1].

    It is Newcombe's hybrid (1998, method 10), made of Clopper-Pearson's limits in place of
    Wilson's. With Wilson's an end errs in up to 9 % of cases where 5 % is promised, and that of
    Miettinen and Nurminen's score interval in up to 13 % (exactly, with rates near 0 and few
    images); so made in 5.2 %. Laws: against very many other images without an event it is
    Clopper-Pearson's interval; changing sides changes the sign.
    """
    rate, other = (events / n for events, n in (shown, others))
    (low, high), (least, most) = (clopper_pearson(*each, level) for each in (shown, others))
    difference = rate - other
    below, above = math.hypot(rate - low, most - other), math.hypot(high - rate, other - least)
    return max(-1.0, difference - below), min(1.0, difference + above)


def unseen(mean: float, n: float, level: float, span: Interval = (-1.0, 1.0)) -> Interval:
    """The interval of a mean that n equal values leave open.

    The rest of the span may hold a share 1 - tail^(1/n) that no image happened to show.

    Exact for constant values: E[X] <= c P(X = c) + top (1 - P(X = c)), and P(all n equal c) = P(X =
    c)^n. With c = 0 and span [0, 1] it is Clopper-Pearson's bound of zero events ("rule of three").
    """
    share = 1 - ((1 - level) / 2) ** (1 / n)
    bottom, top = span
    return mean - (mean - bottom) * share, mean + (top - mean) * share


def bca(values: np.ndarray, level: float, seed: int = 0) -> Interval | None:
    """The bias-corrected and accelerated bootstrap interval of the mean of (n,) values.

    None where it degenerates. Law: the same values and seed give the same interval. Source: Efron
    1987, as in `scipy.stats.bootstrap`.
    """
    if len(values) < 2 or np.ptp(values) < 1e-12:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # scipy warns of a degenerate sample; here it gives None
        result = stats.bootstrap(
            (values,),
            np.mean,
            confidence_level=level,
            n_resamples=max(999, min(RESAMPLES, 20_000_000 // len(values))),
            batch=max(1, 1_000_000 // len(values)),
            rng=np.random.default_rng((seed, len(values))),
        )
    low, high = (float(end) for end in result.confidence_interval)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _crossing(below: Callable[[float], bool], low: float, high: float) -> float:
    """Where a predicate that is first false and then true turns, to 1e-12."""
    for _ in range(42):
        middle = (low + high) / 2
        low, high = (low, middle) if below(middle) else (middle, high)
    return (low + high) / 2
