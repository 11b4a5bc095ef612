"""How sure a mean, or the difference of two, is where images come in groups."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from shortcut_audit.judging.intervals import Interval, unseen
from shortcut_audit.judging.samples.outcomes import Outcomes
from shortcut_audit.judging.samples.p_values import unseen_p


@dataclass(frozen=True)
class Jackknife:
    """What leaving out one group after the other tells of an effect.

    effective: how many groups of one size tell as much; of the two sides of a comparison the fewer.
        Below two, nothing is known.
    """

    effect: float
    error: float  # standard error
    skew: float  # of what the groups add to the effect
    effective: float
    span: Interval

    def interval(self, level: float) -> Interval:
        """Student's t with effective - 1 degrees of freedom, stretched where the groups are skewed.

        The stretch is the Edgeworth correction of Hall (1983), and makes the interval nowhere
        narrower; nor is it anywhere narrower than `unseen` with as many values as there are
        effective groups. All groups without an event are worth no more than as many images.
        """
        if self.effective < 2:
            return self.span
        t = float(stdtrit(self.effective - 1, (1 + level) / 2))
        stretch = self.skew * (2 * t * t + 1) / (6 * math.sqrt(self.effective))
        low, high = unseen(self.effect, self.effective, level, self.span)
        low = min(low, self.effect - (t - min(stretch, 0.0)) * self.error)
        high = max(high, self.effect + (t + max(stretch, 0.0)) * self.error)
        return max(low, self.span[0]), min(high, self.span[1])

    def p(self, limit: float) -> float:
        """One-sided p against an effect of `limit`: of the t test, or that whose bound is `unseen`,
        whichever is more.
        """
        if self.effective < 2:
            return 1.0
        distance = (self.effect - limit) / max(self.error, 1e-12)
        tail = float(stdtr(self.effective - 1, -distance))
        return max(tail, unseen_p(self.effect, self.effective, limit, self.span[0]))

    def grown(self, times: float) -> Jackknife:
        """The same with so many times as many groups."""
        return replace(self, error=self.error / math.sqrt(times), effective=self.effective * times)


def jackknife(outcomes: Outcomes, groups: np.ndarray) -> Jackknife:
    """The effect with one group after the other left out; `groups` are of the values and then of
    the other side, if the design is not paired.

    Law: with groups of one image each, the error is the usual one of a mean, s / sqrt(n).
    """
    which = members(groups)
    values, control, n = outcomes.values, outcomes.control, len(outcomes.values)
    if control is not None and outcomes.design.paired:
        values, control = values - control, None
    changes, effective = _left_out(values, which[:n], which.max() + 1), effective_groups(which[:n])
    if control is not None:
        changes = changes - _left_out(control, which[n:], len(changes))
        effective = min(effective, effective_groups(which[n:]))
    if effective < 2:
        return Jackknife(outcomes.effect, 0.0, 0.0, effective, outcomes.span)
    apart = changes.mean() - changes  # what each group adds
    error = math.sqrt((len(apart) - 1) * float((apart**2).mean()))
    skew = float((apart**3).mean() / (apart**2).mean() ** 1.5) if error > 1e-9 else 0.0
    return Jackknife(outcomes.effect, error, skew, effective, outcomes.span)


def _left_out(values: np.ndarray, which: np.ndarray, groups: int) -> np.ndarray:
    """(groups,) by how much the mean changes without each."""
    sizes = np.bincount(which, minlength=groups)
    sums = np.bincount(which, weights=values - values.mean(), minlength=groups)
    changes: np.ndarray = -sums / np.maximum(len(values) - sizes, 1)
    return changes


def effective_groups(groups: np.ndarray) -> float:
    """How many groups of one size tell as much as those of (n,) images: n^2 / sum of squared sizes
    (Kish 1965).
    """
    sizes = np.bincount(members(groups))
    return len(groups) ** 2 / float((sizes**2).sum())


def members(groups: np.ndarray) -> np.ndarray:
    """(n,) the same groups, counted from 0."""
    return np.unique(groups, return_inverse=True)[1]
