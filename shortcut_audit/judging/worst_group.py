"""Which group fares worst, and how sure that is: the smallest group's luck is not the worst's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shortcut_audit.errors import UsageError
from shortcut_audit.judging.comparison import Comparison
from shortcut_audit.judging.samples import Design, outcomes_of, sample_of
from shortcut_audit.records import Estimate


def worst_group(
    values: np.ndarray,
    membership: np.ndarray,
    level: float = Comparison(0.0).level,
    groups: np.ndarray | None = None,
) -> tuple[int, Estimate]:
    """The member of `membership` with the lowest mean, and the worst mean's interval.

    values: (n,) 1 where right and 0 where wrong, or numbers in [0, 1]; NaN drops the image.
    membership: (n,) int, such as class x decoy. groups: (n,) patients and the like, if there are
    any.

    The k intervals hold at once: each has the level 1 - (1 - level) / k (Bonferroni). The worst
    mean lies between the lowest of their low ends and the lowest of their high ends, whichever
    member it is: one with three images leaves it open, and its bad luck proves nothing.

    Law: with one member it is that member's own interval.

    Raises:
        UsageError: no value is known, or membership is not (n,).
    """
    values, membership = np.asarray(values, dtype=float), np.asarray(membership)
    if values.ndim != 1 or membership.shape != values.shape:
        raise UsageError(
            "worst_group needs one value and one int for each image, "
            f"not arrays of shape {values.shape} and {membership.shape}"
        )
    known = np.isfinite(values)
    if not known.any():
        raise UsageError("worst_group was given no image with a known value: are the labels read?")
    members = np.unique(membership[known]).tolist()
    own = 1 - (1 - level) / len(members)
    found = {}
    for member in members:
        chosen = known & (membership == member)
        of = None if groups is None else np.asarray(groups)[chosen]
        found[member] = _estimate(values[chosen], own, of)
    which = min(members, key=lambda member: found[member].value)
    low = min(each.low for each in found.values())
    high = min(each.high for each in found.values())
    return which, replace(found[which], low=low, high=high, level=level)


def _estimate(values: np.ndarray, level: float, groups: np.ndarray | None) -> Estimate:
    sample = sample_of(outcomes_of(values, None, Design(groups)), 0.0, level, seed=0)
    low, high = sample.interval(level)
    method = f"{sample.method}, Bonferroni over groups"
    return Estimate(sample.effect, low, high, level, len(values), method)
