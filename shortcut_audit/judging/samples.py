"""Per-image values -> a Sample: its effect, its interval and its own test.

The values say which of three kinds it is: a Rate (yes/no, no control), Pairs (yes/no with control)
or Measured (anything else). A Sample can also be supposed: with more images, or another effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import stats
from scipy.special import betainc

from shortcut_audit.judging.intervals import (
    Interval,
    bca,
    clopper_pearson,
    paired_difference,
    unseen,
)

FLIPS = 9999  # fewer above 1,000 images, to save time


class Sample(Protocol):
    """What deciding needs to know of n images."""

    @property
    def n(self) -> float:
        """How many images."""

    @property
    def effect(self) -> float:
        """Mean value, less the control's where there is one."""

    @property
    def method(self) -> str:
        """How the interval is made, in words."""

    @property
    def null(self) -> str:
        """What `p` tests against, in words."""

    def interval(self, level: float) -> Interval:
        """The interval of the effect."""

    def p(self, limit: float) -> float:
        """One-sided p of these images alone.

        It is against no effect if there is a control, else against the limit.
        """

    def grown(self, n: int) -> Sample:
        """The same shares on n images."""

    @property
    def steps(self) -> int:
        """How many steps `at` takes from no effect to the largest."""

    def at(self, step: int) -> Sample:
        """As many images and the same control, with another effect."""

    def reached_by(self, critical: float, power: float) -> float:
        """The true effect whose estimate on this many images reaches `critical` with this power."""


@dataclass(frozen=True)
class Rate:
    """`events` of n images say yes; there is no control."""

    events: float
    n: float
    method: str = "Clopper-Pearson"
    null: str = "a rate of at most the limit (exact binomial)"

    @property
    def effect(self) -> float:
        """The share of images that say yes, in [0, 1]."""
        return self.events / self.n

    def interval(self, level: float) -> Interval:
        """Clopper and Pearson's interval of the rate, both ends in [0, 1]."""
        return clopper_pearson(self.events, self.n, level)

    def p(self, limit: float) -> float:
        """One-sided p of the exact binomial test against a rate of `limit`."""
        return _binomial_tail(self.events, self.n, limit)

    def grown(self, n: int) -> Rate:
        """The same rate on n images; the events may be a fraction."""
        return replace(self, events=self.effect * n, n=n)

    @property
    def steps(self) -> int:
        """One step for each image."""
        return int(self.n)

    def at(self, step: int) -> Rate:
        """As many images, of which `step` say yes."""
        return replace(self, events=step)

    def reached_by(self, critical: float, power: float) -> float:
        """The true rate at which the observed one reaches `critical` with this power."""
        return _rate_that_reaches(critical * self.n, self.n, power)


@dataclass(frozen=True)
class Pairs:
    """`gained` of n images say yes only with the decoy, `lost` only with the control."""

    gained: float
    lost: float
    n: float
    method: str = "Agresti-Min, no narrower than Tango's score interval"
    null: str = "no effect (exact McNemar)"

    @property
    def effect(self) -> float:
        """The rate with the decoy less the rate with the control, in [-1, 1]."""
        return (self.gained - self.lost) / self.n

    def interval(self, level: float) -> Interval:
        """The interval of the paired difference, both ends in [-1, 1]."""
        return paired_difference(self.gained, self.lost, self.n, level)

    def p(self, limit: float) -> float:
        """One-sided p of McNemar's exact test against no effect; `limit` plays no part."""
        return _binomial_tail(self.gained, self.gained + self.lost, 0.5)

    def grown(self, n: int) -> Pairs:
        """The same shares gained and lost on n images; the counts may be fractions."""
        return replace(self, gained=self.gained / self.n * n, lost=self.lost / self.n * n, n=n)

    @property
    def steps(self) -> int:
        """One step for each image that is not lost."""
        return int(self.n - self.lost)

    def at(self, step: int) -> Pairs:
        """As many images and as many lost, with `step` of them gained."""
        return replace(self, gained=step)

    def reached_by(self, critical: float, power: float) -> float:
        """The true difference at which the observed one reaches `critical` with this power."""
        share = self.lost / self.n
        return _rate_that_reaches((critical + share) * self.n, self.n, power) - share


@dataclass(frozen=True)
class Measured:
    """n numbers with a mean and the interval that the bootstrap gives it.

    `below` and `above` are the distances from the mean to the two ends.
    """

    effect: float
    n: float
    spread: float  # standard deviation over images
    below: float
    above: float
    span: Interval  # what an effect can be at all
    paired: bool
    image_p: float | None = None  # as tested on the images; None for a supposed sample
    method: str = "BCa bootstrap over source images"

    @property
    def null(self) -> str:
        """What `p` tests against, in words."""
        if self.paired:
            return "no effect (sign flips within images)"
        return "a mean of at most the limit (t test)"

    def interval(self, level: float) -> Interval:
        """The bootstrap's interval of the mean, nowhere narrower than `unseen`."""
        low, high = unseen(self.effect, self.n, level, self.span)
        return min(low, self.effect - self.below), max(high, self.effect + self.above)

    def p(self, limit: float) -> float:
        """One-sided p as tested on the images; for a supposed sample by the normal distribution."""
        if self.image_p is not None:
            return self.image_p
        distance = self.effect - (0.0 if self.paired else limit)
        return float(stats.norm.sf(distance * math.sqrt(self.n) / max(self.spread, 1e-9)))

    def grown(self, n: int) -> Measured:
        """The same mean and spread on n images: the interval shrinks with the root of n."""
        scale = math.sqrt(self.n / n)
        return replace(self, n=n, below=self.below * scale, above=self.above * scale, image_p=None)

    @property
    def steps(self) -> int:
        """A thousand steps to the largest mean that can be."""
        return 1000

    def at(self, step: int) -> Measured:
        """As many images of the same spread, with this share of the largest mean."""
        return replace(self, effect=self.span[1] * step / self.steps, image_p=None)

    def reached_by(self, critical: float, power: float) -> float:
        """The true mean at which the observed one reaches `critical` with this power."""
        return critical + float(stats.norm.ppf(power)) * self.spread / math.sqrt(self.n)


def sample_of(
    values: np.ndarray,
    control: np.ndarray | None,
    limit: float,
    level: float,
    seed: int,
    *,
    ends: bool = True,
) -> Sample:
    """The Sample of (n,) finite values and their paired control, if there is one; n is at least 1.

    `ends=False` spares the bootstrap where only effect and p are wanted.
    """
    n = len(values)
    if control is None and _yes_no(values):
        return Rate(float(values.sum()), n)
    if control is not None and _yes_no(values) and _yes_no(control):
        return Pairs(float((values > control).sum()), float((values < control).sum()), n)
    differences = values if control is None else values - control
    effect, span = float(differences.mean()), _span(values, control)
    low, high = (bca(differences, level, seed) if ends else None) or (effect, effect)
    if control is None:
        p = mean_above_p(differences, limit, span)
    else:
        p = sign_flip_p(differences, seed)
    spread = float(differences.std(ddof=1)) if n > 1 else 0.0
    return Measured(effect, n, spread, effect - low, high - effect, span, control is not None, p)


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
    constant = float(values[0])
    if constant <= limit:
        return 1.0
    return max(0.0, (limit - span[0]) / (constant - span[0])) ** len(values)


def _span(values: np.ndarray, control: np.ndarray | None) -> Interval:
    """The least and the largest effect that can be."""
    floor, ceiling = _range(values)
    if control is None:
        return floor, ceiling
    least, most = _range(control)
    return floor - most, ceiling - least


def _range(values: np.ndarray) -> Interval:
    """[0, 1] for shares, [-1, 1] for correlations and differences; wider where the values are."""
    low, high = float(values.min()), float(values.max())
    return (0.0 if low >= 0 else min(-1.0, low)), max(1.0, high)


def _yes_no(values: np.ndarray) -> bool:
    return bool(np.isin(values, (0.0, 1.0)).all())


def _binomial_tail(events: float, n: float, rate: float) -> float:
    """P(at least `events` of n), as scipy's one-sided `binomtest`; counts may be fractions."""
    return 1.0 if events <= 0 else float(betainc(events, n - events + 1, rate))


def _rate_that_reaches(events: float, n: float, power: float) -> float:
    """The smallest true rate at which at least `events` of n are seen with this power."""
    count = math.ceil(events - 1e-9)
    if count <= 0:
        return 0.0
    if count > n:
        return math.inf
    return float(stats.beta.ppf(power, count, n - count + 1))
