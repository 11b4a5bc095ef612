"""Images that come in groups: patients, sites, videos. Only groups tell something new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortcut_audit.judging.intervals import Interval
from shortcut_audit.judging.samples.jackknife import Jackknife, effective_groups, jackknife, members
from shortcut_audit.judging.samples.outcomes import Outcomes
from shortcut_audit.judging.samples.p_values import sign_flip_p
from shortcut_audit.judging.samples.sample import Sample
from shortcut_audit.judging.samples.unpaired import Unpaired


@dataclass(frozen=True)
class Clustered:
    """n groups of images.

    An effect that is supposed (`at`, `reached_by`) is one that takes whole groups: what is said to
    be found is found even where a patient's images all answer alike.
    """

    alike: Sample  # as many images as these are worth, were each to stand for itself
    whole: Sample  # as many as there are groups, were all of a group's images the same
    n: float
    spread: Jackknife
    controlled: bool
    totals: np.ndarray | None = None  # (n,) differences of each group, where images are paired
    seed: int = 0
    unit: str = "groups"

    @property
    def effect(self) -> float:
        """Mean over images, less the control's."""
        return self.spread.effect

    @property
    def method(self) -> str:
        """How the interval is made, in words."""
        return f"t over {self.n:.0f} groups, corrected for skewness"

    @property
    def null(self) -> str:
        """What `p` tests against, in words."""
        if not self.controlled:
            return "a mean of at most the limit (t test over groups)"
        test = "t test over groups" if self.totals is None else "sign flips of whole groups"
        return f"no effect ({test})"

    def interval(self, level: float) -> Interval:
        """The jackknife's interval, nowhere narrower than that of as many independent images."""
        low, high = self.spread.interval(level)
        least, most = self.alike.interval(level)
        return min(low, least), max(high, most)

    def p(self, limit: float) -> float:
        """One-sided p of the groups alone."""
        if self.totals is not None:
            return sign_flip_p(self.totals, self.seed)
        return self.spread.p(0.0 if self.controlled else limit)

    def grown(self, n: float) -> Clustered:
        """The same shares on n groups of such sizes."""
        times = n / self.n
        alike, whole = (each.grown(each.n * times) for each in (self.alike, self.whole))
        return Clustered(alike, whole, n, self.spread.grown(times), self.controlled)

    @property
    def steps(self) -> int:
        """One step for each group, or a thousand."""
        return self.whole.steps

    def at(self, step: int) -> Sample:
        """As many groups and the same control, with an effect on `step` whole groups."""
        return self.whole.at(step)

    def reached_by(self, critical: float, power: float) -> float:
        """The true effect on whole groups that reaches `critical` with this power."""
        return self.whole.reached_by(critical, power)


def clustered(alike: Sample, outcomes: Outcomes, seed: int = 0) -> Clustered:
    """The Sample of outcomes that have groups; `alike` is the Sample that they would be without.

    It is kept on the effective number of images: n by the design effect, which is at least 1.
    """
    groups, design = np.asarray(outcomes.every_group), outcomes.design
    which = members(groups)
    spread, each = (jackknife(outcomes, of) for of in (groups, np.arange(len(groups))))
    effect = max(1.0, (spread.error / each.error) ** 2) if each.error > 0 else 1.0
    totals = None
    if outcomes.control is not None and design.paired:
        totals = np.bincount(which, weights=outcomes.values - outcomes.control)
    if isinstance(alike, Unpaired):
        shown, others = np.split(which, [len(outcomes.values)])
        whole: Sample = alike.of(effective_groups(shown), effective_groups(others))
    else:
        whole = alike.grown(alike.n * spread.effective / each.effective)
    fewer = alike.grown(alike.n / effect)
    controlled = outcomes.control is not None
    return Clustered(fewer, whole, len(set(which)), spread, controlled, totals, seed)
