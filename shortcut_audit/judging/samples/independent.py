"""Samples of images of which each tells something new, under both conditions or under one alone.

The values say which of three kinds it is: a Rate (yes/no, no control), Pairs (yes/no with control)
or Measured (anything else). A Sample can also be supposed: with more images, or another effect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy import stats

from shortcut_audit.judging.intervals import Interval, clopper_pearson, paired_difference, unseen
from shortcut_audit.judging.samples.p_values import binomial_tail, rate_that_reaches


@dataclass(frozen=True)
class Rate:
    """`events` of n images say yes; there is no control."""

    events: float
    n: float
    method: str = "Clopper-Pearson"
    null: str = "a rate of at most the limit (exact binomial)"
    unit: str = "images"

    @property
    def effect(self) -> float:
        """The share of images that say yes, in [0, 1]."""
        return self.events / self.n

    def interval(self, level: float) -> Interval:
        """Clopper and Pearson's interval of the rate, both ends in [0, 1]."""
        return clopper_pearson(self.events, self.n, level)

    def p(self, limit: float) -> float:
        """One-sided p of the exact binomial test against a rate of `limit`."""
        return binomial_tail(self.events, self.n, limit)

    def grown(self, n: float) -> Rate:
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
        return rate_that_reaches(critical * self.n, self.n, power)


@dataclass(frozen=True)
class Pairs:
    """`gained` of n images say yes only with the decoy, `lost` only with the control."""

    gained: float
    lost: float
    n: float
    method: str = "Agresti-Min, no narrower than Tango's score interval"
    null: str = "no effect (exact McNemar)"
    unit: str = "images"

    @property
    def effect(self) -> float:
        """The rate with the decoy less the rate with the control, in [-1, 1]."""
        return (self.gained - self.lost) / self.n

    def interval(self, level: float) -> Interval:
        """The interval of the paired difference, both ends in [-1, 1]."""
        return paired_difference(self.gained, self.lost, self.n, level)

    def p(self, limit: float) -> float:
        """One-sided p of McNemar's exact test against no effect; `limit` plays no part."""
        return binomial_tail(self.gained, self.gained + self.lost, 0.5)

    def grown(self, n: float) -> Pairs:
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
        return rate_that_reaches((critical + share) * self.n, self.n, power) - share


@dataclass(frozen=True)
class Measured:
    """n numbers with a mean and its interval.

    `below` and `above` are the distances from the mean to the two ends.
    """

    effect: float
    n: float
    spread: float  # standard deviation over images
    below: float
    above: float
    span: Interval  # what an effect can be at all
    controlled: bool
    null: str
    image_p: float | None = None  # as tested on the images; None for a supposed sample
    method: str = "BCa bootstrap over source images"
    unit: str = "images"

    def interval(self, level: float) -> Interval:
        """The interval of the mean, nowhere narrower than `unseen`."""
        low, high = unseen(self.effect, self.n, level, self.span)
        return min(low, self.effect - self.below), max(high, self.effect + self.above)

    def p(self, limit: float) -> float:
        """One-sided p as tested on the images; for a supposed sample by the normal distribution."""
        if self.image_p is not None:
            return self.image_p
        distance = self.effect - (0.0 if self.controlled else limit)
        return float(stats.norm.sf(distance * math.sqrt(self.n) / max(self.spread, 1e-9)))

    def grown(self, n: float) -> Measured:
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
