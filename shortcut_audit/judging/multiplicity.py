"""Many tests, one promise: raw p values -> adjusted ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats


def holm(ps: Sequence[float]) -> np.ndarray:
    """Holm's step-down p values (m,), in the order given: the chance of any false alarm among all
    stays below alpha.

    Laws: never below the raw p, never above Bonferroni, same order as the raw ps, equal to
        statsmodels' `multipletests`.
    """
    raw = np.asarray(ps, dtype=float)
    order = np.argsort(raw, kind="stable")
    stepped = raw[order] * np.arange(len(raw), 0, -1)
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(stepped))
    return adjusted


def benjamini_hochberg(ps: Sequence[float]) -> np.ndarray:
    """False discovery rate over many models, for triage lists only; it keeps no promise about one
    clean model.
    """
    return np.asarray(stats.false_discovery_control(ps, method="bh")) if len(ps) else np.empty(0)


def adjusted(p: float, siblings: Sequence[float], family: float) -> float:
    """Holm over this p and its siblings (the same model's other decoys), times `family`, how many
    such families share alpha.
    """
    return min(1.0, family * float(holm([p, *siblings])[0]))
