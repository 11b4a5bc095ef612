"""Measures of ranked lists of training images: scores (q, m) -> one number for each query.

Every function works along the last axis, so that one call also takes (models, q, m) against
(models, 1, q, m). Higher scores rank first. Equal scores rank in the order of the training images,
so that a result never depends on a sorting algorithm. A row with a NaN (a zero gradient has no
direction) gives NaN, never a number.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from shortcut_audit.errors import UsageError


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Gives the indices (..., k) of the k highest scores (..., m), best first.

    Raises:
        UsageError: k is not between 1 and m.
    """
    m = scores.shape[-1]
    if not 1 <= k <= m:
        raise UsageError(
            f"the top {k} of {m} training images was asked for; choose k between 1 and {m}"
        )
    order: np.ndarray = np.argsort(-scores, axis=-1, kind="stable")
    return order[..., :k]


def precision_at_k(scores: np.ndarray, flags: np.ndarray, k: int) -> np.ndarray:
    """Gives the share of flagged images among the top k of each query (thesis, section 5.1.2).

    Args:
        scores: (..., m).
        flags: (m,) bool.

    Returns:
        (...) in [0, 1].
    """
    return _defined(flags[top_k(scores, k)].mean(-1), scores)


def base_rate(flags: np.ndarray) -> float:
    """Gives the precision that a ranking without any preference has on average."""
    return float(np.mean(flags))


def permuted_precision(
    scores: np.ndarray, flags: np.ndarray, k: int, draws: int, seed: int
) -> np.ndarray:
    """Gives the mean precision over the defined queries, once for each permutation of the flags.

    Queries share the training set, so their precisions are not independent. Therefore one
    permutation serves all of them.

    Args:
        scores: (q, m).
        flags: (m,) bool.

    Returns:
        (draws,).
    """
    defined = scores[~np.isnan(scores).any(-1)]
    if not len(defined):
        return np.full(draws, np.nan)
    # (m,) each image's share of all places in the lists
    weights = np.bincount(top_k(defined, k).ravel(), minlength=len(flags)) / (len(defined) * k)
    rng = np.random.default_rng(seed)
    return np.array([weights[rng.permutation(flags)].sum() for _ in range(draws)])


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Gives the rank correlation of two lists of scores (thesis, section 2.8.1).

    Ties share their mean rank, as in scipy. For lists without ties it is the thesis's formula.

    Args:
        a, b: (..., m).

    Returns:
        (...) in [-1, 1]; NaN where all scores of a row are equal.
    """
    return _correlation(rankdata(a, axis=-1), rankdata(b, axis=-1))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    norms = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    undefined = np.full(norms.shape, np.nan)
    rho: np.ndarray = np.divide((a * b).sum(-1), norms, out=undefined, where=norms > 0)
    return rho.clip(-1, 1)


def top_k_intersection(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Gives the share of the top k that two rankings have in common (thesis, section 2.8.2).

    Args:
        a, b: (..., m).

    Returns:
        (...) in [0, 1].
    """
    common = _in_top_k(a, k) & _in_top_k(b, k)
    return _defined(_defined(common.sum(-1) / k, a), b)


def _in_top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """(..., m) bool: this score is one of the k highest of its row."""
    marks = np.zeros(scores.shape, bool)
    np.put_along_axis(marks, top_k(scores, k), True, -1)
    return marks


def beyond_chance(share: np.ndarray, k: int, m: int) -> np.ndarray:
    """Rescales a top-k intersection so that chance is at 0 and identity at 1.

    It is (share - k/m) / (1 - k/m), because two unrelated rankings share k * k / m of their top k;
    counts in place of shares give the same. NaN for k = m, where every pair of rankings agrees.
    """
    return (share - k / m) / (1 - k / m) if k < m else np.full_like(share, np.nan)


def _defined(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The values (...), and NaN where a row of the scores (..., m) has a NaN."""
    return np.where(np.isnan(scores).any(-1), np.nan, values)
