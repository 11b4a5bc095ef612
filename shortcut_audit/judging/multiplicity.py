"""Many tests, one promise: raw p values -> adjusted ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(ps: Sequence[float]) -> np.ndarray:
    """Holm's step-down p values (m,) of m raw ones, in the order given.

    With them the chance of any false alarm among all m stays below alpha. Laws: never below the raw
    p, never above Bonferroni, same order as the raw ps, equal to statsmodels' `multipletests`.
    """
    raw = np.asarray(ps, dtype=float)
    order = np.argsort(raw, kind="stable")
    stepped = raw[order] * np.arange(len(raw), 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted


def adjusted(p: float, siblings: Sequence[float], family: float) -> float:
    """Holm's p over this p and its siblings, times `family`, in [0, 1].

    siblings: raw p values of the same model's other deciding tests. family: how many such families
    share alpha.
    """
    return min(1.0, family * float(holm([p, *siblings])[0]))
