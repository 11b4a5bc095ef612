"""What ranked lists of training images say: scores (q, m) -> one number for each query.

Every function works along the last axis, so that (q, m), or (models, q, m) against (models, 1, q,
m), goes in one call. Higher scores rank first; equal scores rank in the order of the training
images, so that a result never depends on a sorting algorithm. A row with a NaN (a zero gradient has
no direction) gives NaN, never a number.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom, rankdata

from shortcut_audit.errors import UsageError


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Indices (..., k) of the k highest scores (..., m), best first.

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
    """Share of flagged images in the top k: (..., m) and (m,) bool -> (...), in [0, 1] (thesis,
    section 5.1.2).
    """
    return _defined(flags[top_k(scores, k)].mean(-1), scores)


def base_rate(flags: np.ndarray) -> float:
    """The precision that a ranking without any preference has on average."""
    return float(np.mean(flags))


def precision_p(precision: np.ndarray, flags: np.ndarray, k: int) -> np.ndarray:
    """One-sided p of each query alone: k images drawn without regard to the flags hold at least
    this many flagged ones.
    """
    hits = np.round(precision * k)
    return np.where(
        np.isnan(precision), np.nan, hypergeom.sf(hits - 1, len(flags), int(np.sum(flags)), k)
    )


def permuted_precision(
    scores: np.ndarray, flags: np.ndarray, k: int, draws: int, seed: int
) -> np.ndarray:
    """Mean precision over the defined queries under permuted flags: (q, m), (m,) -> (draws,).

    Queries share the training set, so their precisions are not independent; one permutation serves
    all of them.
    """
    defined = scores[~np.isnan(scores).any(-1)]
    if not len(defined):
        return np.full(draws, np.nan)
    # (m,) share of all places
    weights = np.bincount(top_k(defined, k).ravel(), minlength=len(flags)) / (len(defined) * k)
    rng = np.random.default_rng(seed)
    return np.array([weights[rng.permutation(flags)].sum() for _ in range(draws)])


def spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Rank correlation (..., m), (..., m) -> (...), in [-1, 1]; ties share their mean rank, as in
    scipy.

    NaN where all scores of a row are equal. Thesis, section 2.8.1; for lists without ties the
    formula there.
    """
    return _correlation(rankdata(a, axis=-1), rankdata(b, axis=-1))


def _correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = a - a.mean(-1, keepdims=True), b - b.mean(-1, keepdims=True)
    norms = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    rho: np.ndarray = np.divide(
        (a * b).sum(-1), norms, out=np.full(norms.shape, np.nan), where=norms > 0
    )
    return rho.clip(-1, 1)


def top_k_intersection(a: np.ndarray, b: np.ndarray, k: int) -> np.ndarray:
    """Share of the top k that two rankings have in common: (..., m), (..., m) -> (...), in [0, 1]
    (thesis, section 2.8.2).
    """
    inside = [np.zeros(scores.shape, bool) for scores in (a, b)]
    for marks, scores in zip(inside, (a, b), strict=True):
        np.put_along_axis(marks, top_k(scores, k), True, -1)
    return _defined(_defined((inside[0] & inside[1]).sum(-1) / k, a), b)


def beyond_chance(share: np.ndarray, k: int, m: int) -> np.ndarray:
    """A top-k intersection with chance at 0 and identity at 1: (share - k/m) / (1 - k/m), the same
    as on the counts.

    Two unrelated rankings share k * k / m of their top k. NaN for k = m, where every pair of
    rankings agrees.
    """
    return (share - k / m) / (1 - k / m) if k < m else np.full_like(share, np.nan)


def auprc(scores: np.ndarray, flags: np.ndarray) -> np.ndarray:
    """Area under the precision-recall curve (average precision), (..., m), (m,) bool -> (...); its
    base rate is the flags' share.

    Equal scores are one threshold, as in scikit-learn. NaN where nothing is flagged.
    """
    order = np.argsort(-scores, axis=-1, kind="stable")
    ranked, hits = np.take_along_axis(scores, order, -1), flags[order]
    precision = np.cumsum(hits, -1) / np.arange(1, scores.shape[-1] + 1)
    # last of its equals
    ends = np.append(
        ranked[..., 1:] != ranked[..., :-1], np.ones((*ranked.shape[:-1], 1), bool), -1
    )
    at = np.where(ends, np.arange(ranked.shape[-1]), ranked.shape[-1])
    end_of = np.minimum.accumulate(at[..., ::-1], -1)[..., ::-1]
    total = np.sum(flags)
    area = (
        (np.take_along_axis(precision, end_of, -1) * hits).sum(-1) / total
        if total
        else np.full(scores.shape[:-1], np.nan)
    )
    return _defined(area, scores)


def _defined(values: np.ndarray, scores: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(scores).any(-1), np.nan, values)
