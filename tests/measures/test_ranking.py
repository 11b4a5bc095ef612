"""The measures on ranked lists, against scipy and naive loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from shortcut_audit.errors import UsageError
from shortcut_audit.measures import rankings as ranking

# thesis, table 2.1: the rank of each element
RANKS = np.array([[6, 7, 5, 1, 2, 4, 3]]), np.array([[5, 7, 6, 1, 2, 3, 4]])
seeds = st.integers(0, 2**32 - 1)


def some(seed: int, q: int = 3, m: int = 12, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Scores (q, m), with ties if wanted, and flags (m,) of which some are set."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (q, m)).astype(float) if ties else rng.normal(size=(q, m))
    flags = rng.random(m) < 0.4
    flags[rng.integers(m)] = True
    return scores, flags


def test_the_worked_examples_of_section_2_8_come_out_to_the_digit() -> None:
    scores = -RANKS[0].astype(float), -RANKS[1].astype(float)  # rank 1 is the most influential
    assert round(float(ranking.spearman(*scores)[0]), 3) == 0.929
    assert ranking.top_k_intersection(*scores, 3)[0] == 2 / 3
    assert [set(ranking.top_k(each, 3)[0] + 1) for each in scores] == [{4, 5, 7}, {4, 5, 6}]


@given(seeds, st.booleans())
def test_spearman_is_scipys_ties_included(seed: int, ties: bool) -> None:
    (a, _), (b, _) = some(seed, ties=ties), some(seed + 1, ties=ties)
    expected = [stats.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(ranking.spearman(a, b), expected, atol=1e-12)


def test_a_constant_row_has_no_rank_correlation() -> None:
    assert np.isnan(ranking.spearman(np.ones((1, 5)), np.arange(5.0)[None])).all()


@given(seeds, st.integers(1, 12))
def test_precision_at_k_is_what_a_loop_counts_and_ties_keep_the_order_of_the_images(
    seed: int, k: int
) -> None:
    scores, flags = some(seed)
    for row, found in zip(scores, ranking.precision_at_k(scores, flags, k), strict=True):
        best = sorted(range(12), key=lambda image: (-row[image], image))[:k]
        assert found == pytest.approx(sum(flags[image] for image in best) / k)


def test_permuted_precision_is_what_permuting_the_flags_gives_and_centres_on_the_base_rate() -> (
    None
):
    scores, flags = some(3, q=5, m=40, ties=False)
    null = ranking.permuted_precision(scores, flags, 10, 2000, seed=1)
    rng = np.random.default_rng(1)
    naive = [ranking.precision_at_k(scores, rng.permutation(flags), 10).mean() for _ in range(20)]
    np.testing.assert_allclose(null[:20], naive, atol=1e-12)
    assert abs(null.mean() - ranking.base_rate(flags)) < 4 * null.std() / np.sqrt(len(null))
    np.testing.assert_array_equal(null, ranking.permuted_precision(scores, flags, 10, 2000, seed=1))


@given(seeds, st.integers(1, 12))
def test_top_k_intersection_is_symmetric_one_with_itself_and_what_sets_give(
    seed: int, k: int
) -> None:
    (a, _), (b, _) = some(seed), some(seed + 1)
    found = ranking.top_k_intersection(a, b, k)
    sets = [
        len(set(x) & set(y)) / k
        for x, y in zip(ranking.top_k(a, k), ranking.top_k(b, k), strict=True)
    ]
    np.testing.assert_allclose(found, sets)
    np.testing.assert_array_equal(found, ranking.top_k_intersection(b, a, k))
    assert (ranking.top_k_intersection(a, a, k) == 1).all()


def test_beyond_chance_is_zero_for_unrelated_rankings_and_one_for_equal_ones() -> None:
    rng = np.random.default_rng(0)
    share = ranking.top_k_intersection(rng.normal(size=(4000, 30)), rng.normal(size=(4000, 30)), 6)
    corrected = ranking.beyond_chance(share, 6, 30)
    assert abs(corrected.mean()) < 4 * corrected.std() / np.sqrt(4000)
    np.testing.assert_allclose(corrected, (share * 6 - 36 / 30) / (6 - 36 / 30))
    assert ranking.beyond_chance(np.ones(1), 6, 30)[0] == 1
    assert np.isnan(ranking.beyond_chance(np.ones(1), 30, 30)).all()


def test_pairs_of_models_go_in_one_call() -> None:
    models = np.random.default_rng(0).normal(size=(3, 4, 20))  # (models, q, m)
    rho = ranking.spearman(models[:, None], models[None])  # (models, models, q)
    shared = ranking.top_k_intersection(*np.broadcast_arrays(models[:, None], models[None]), 5)
    assert rho.shape == shared.shape == (3, 3, 4)
    np.testing.assert_allclose(rho[0, 2], ranking.spearman(models[0], models[2]))
    np.testing.assert_allclose(shared[0, 2], ranking.top_k_intersection(models[0], models[2], 5))


def test_a_row_with_a_nan_is_nan_everywhere_and_leaves_the_null_alone() -> None:
    scores, flags = some(1, q=3, ties=False)
    scores[1, 4] = np.nan
    whole = scores[[0, 2]]
    for found in (
        ranking.precision_at_k(scores, flags, 4),
        ranking.spearman(scores, scores),
        ranking.top_k_intersection(scores, scores, 4),
    ):
        assert np.isnan(found).tolist() == [False, True, False]
    null = [ranking.permuted_precision(each, flags, 4, 50, 0) for each in (scores, whole)]
    np.testing.assert_array_equal(*null)
    assert np.isnan(ranking.permuted_precision(scores[1:2], flags, 4, 5, 0)).all()


@pytest.mark.parametrize("k", [0, 13])
def test_a_k_that_cannot_be_is_a_clear_error(k: int) -> None:
    with pytest.raises(
        UsageError,
        match=rf"the top {k} of 12 training images was asked for; choose k between 1 and 12",
    ):
        ranking.precision_at_k(*some(0), k)
