"""Two lots of images: some that show it, and others that do not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from shortcut_audit.judging.intervals import Interval, unpaired_difference
from shortcut_audit.judging.samples.independent import Measured
from shortcut_audit.judging.samples.jackknife import jackknife
from shortcut_audit.judging.samples.outcomes import Outcomes
from shortcut_audit.judging.samples.p_values import rate_that_reaches
from shortcut_audit.judging.samples.sample import Sample


@dataclass(frozen=True)
class Unpaired:
    """`events` of the images that show it say yes, and `other_events` of the others."""

    events: float
    shown: float
    other_events: float
    others: float
    method: str = "Newcombe's hybrid of Clopper-Pearson intervals"
    null: str = "no effect (Fisher's exact test)"
    unit: str = "images"

    @property
    def n(self) -> float:
        """How many images on both sides."""
        return self.shown + self.others

    @property
    def usual(self) -> float:
        """The rate where it is not shown, in [0, 1]."""
        return self.other_events / self.others

    @property
    def effect(self) -> float:
        """The rate where it is shown less the rate where it is not, in [-1, 1]."""
        return self.events / self.shown - self.usual

    def interval(self, level: float) -> Interval:
        """The interval of the difference, both ends in [-1, 1]."""
        return unpaired_difference(
            (self.events, self.shown), (self.other_events, self.others), level
        )

    def p(self, limit: float) -> float:
        """One-sided p of Fisher's exact test against no effect; `limit` plays no part."""
        events, shown = round(self.events), round(self.shown)
        yes, others = events + round(self.other_events), round(self.others)
        return float(stats.hypergeom.sf(events - 1, shown + others, yes, shown))

    def grown(self, n: float) -> Unpaired:
        """The same rates on n images, the sides in the same proportion; counts may be fractions."""
        return self.of(n / self.n * self.shown, n / self.n * self.others)

    def of(self, shown: float, others: float) -> Unpaired:
        """The same rates on so many images that show it and others; counts may be fractions."""
        events = self.events / self.shown * shown
        return Unpaired(events, shown, self.usual * others, others)

    @property
    def steps(self) -> int:
        """One step for each image that shows it."""
        return int(self.shown)

    def at(self, step: int) -> Unpaired:
        """As many images and the same others, with `step` events where it is shown."""
        return replace(self, events=step)

    def reached_by(self, critical: float, power: float) -> float:
        """The true difference at which the observed one reaches `critical` with this power."""
        reached = rate_that_reaches((critical + self.usual) * self.shown, self.shown, power)
        return reached - self.usual


def unpaired(outcomes: Outcomes, level: float) -> Sample:
    """The Sample of outcomes whose control is of other images, all of them independent."""
    values, control = outcomes.values, np.asarray(outcomes.control)
    if outcomes.yes_no:
        return Unpaired(float(values.sum()), len(values), float(control.sum()), len(control))
    found, n = jackknife(outcomes, np.arange(outcomes.images)), min(len(values), len(control))
    low, high = found.interval(level)
    return Measured(
        effect=found.effect,
        n=n,
        spread=found.error * math.sqrt(n),
        below=found.effect - low,
        above=high - found.effect,
        span=found.span,
        controlled=True,
        null="no effect (t test)",
        image_p=found.p(0.0),
        method="t over the images of both sides, corrected for skewness",
        unit="images of the smaller side",
    )
