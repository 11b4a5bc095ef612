"""The images' own tests against scipy and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from shortcut_audit.judging.samples import (
    Design,
    Measured,
    Pairs,
    Rate,
    Sample,
    mean_above_p,
    outcomes_of,
    sign_flip_p,
)
from shortcut_audit.judging.samples import sample_of as sample_of_outcomes


def sample_of(
    values: np.ndarray, control: np.ndarray | None, seed: int = 0, limit: float = 0.1
) -> Sample:
    """Of outcomes of the same images without groups, at level 0.9."""
    return sample_of_outcomes(outcomes_of(values, control, Design()), limit, 0.9, seed)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_p_of_pairs_is_exact_mcnemar(gained: int, lost: int) -> None:
    p = Pairs(gained, lost, 200).p(0.1)
    if gained + lost == 0:
        assert p == 1
        return
    assert p == pytest.approx(stats.binomtest(gained, gained + lost, alternative="greater").pvalue)
    two_sided = mcnemar([[80, gained], [lost, 80 - gained]], exact=True).pvalue
    if gained > lost:
        assert 2 * p == pytest.approx(two_sided)


@given(st.integers(1, 300), st.data(), st.floats(0.01, 0.9))
def test_the_p_of_a_rate_is_scipys_binomial_test(n: int, data: st.DataObject, limit: float) -> None:
    events = data.draw(st.integers(0, n))
    assert Rate(events, n).p(limit) == pytest.approx(
        stats.binomtest(events, n, limit, alternative="greater").pvalue, abs=1e-9
    )


def test_sign_flips_are_scipys_permutation_test() -> None:
    differences = np.random.default_rng(1).normal(0.1, 0.4, 30)
    theirs = stats.permutation_test(
        (differences, np.zeros(30)),
        lambda a, b, axis: (a - b).mean(axis=axis),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
        n_resamples=9999,
        rng=np.random.default_rng(2),
    ).pvalue
    assert sign_flip_p(differences) == pytest.approx(theirs, abs=0.015)


@pytest.mark.parametrize("values", [[0.2], [0.1, 0.3, -0.2], [0.5] * 8])
def test_sign_flips_approach_the_full_enumeration(values: list[float]) -> None:
    d = np.array(values)
    signs = np.array(np.meshgrid(*[[1, -1]] * len(d))).reshape(len(d), -1).T
    assert sign_flip_p(d) == pytest.approx((signs @ d >= d.sum() - 1e-9).mean(), abs=0.02)


@pytest.mark.parametrize(("n", "least"), [(30, 1 / 10_000), (5000, 1 / 2001), (20_000, 1 / 1000)])
def test_no_p_of_sign_flips_is_smaller_than_their_number_allows(n: int, least: float) -> None:
    assert sign_flip_p(np.ones(n)) == least


def test_a_mean_against_the_limit() -> None:
    values = np.random.default_rng(1).random(50) * 0.5
    assert mean_above_p(values, 0.2) == pytest.approx(
        stats.ttest_1samp(values, 0.2, alternative="greater").pvalue
    )
    # at most half of such values could be 0.4 if the mean were 0.2
    assert mean_above_p(np.full(8, 0.4), 0.2) == 0.5**8
    assert mean_above_p(np.full(8, 0.2), 0.2) == 1


def test_the_kind_is_found_by_looking() -> None:
    yes = np.array([1.0, 0.0, 1.0])
    share = np.array([0.2, 0.0, 1.0])
    assert isinstance(sample_of(yes, None), Rate)
    assert sample_of(yes, np.array([0.0, 0.0, 1.0])) == Pairs(1, 0, 3)
    assert isinstance(sample_of(share, yes), Measured)
    assert isinstance(sample_of(share, None), Measured)


@pytest.mark.parametrize(
    ("values", "control", "span"),
    [
        ([0.2, 0.3, 0.9], None, (0, 1)),
        ([0.0, 0.3, 0.9], None, (0, 1)),
        ([-0.2, 0.3, 0.9], None, (-1, 1)),
        ([-3.0, 0.3, 2.0], None, (-3, 2)),
        ([0.2, 0.3, 0.9], [0.1, 0.2, 0.3], (-1, 1)),
        ([0.2, 0.3, 0.9], [-0.1, 0.2, 0.3], (-1, 2)),
        ([-0.2, 0.3, 0.9], [0.1, 0.2, 0.3], (-2, 1)),
    ],
)
def test_what_numbers_can_be_at_all_is_told_from_them(
    values: list[float], control: list[float] | None, span: tuple[float, float]
) -> None:
    beside = None if control is None else np.array(control)
    found = sample_of(np.array(values), beside)
    assert isinstance(found, Measured)
    assert found.span == span
    seen = np.array(values) - (0.0 if beside is None else beside)
    assert found.effect == pytest.approx(seen.mean())
    assert found.spread == pytest.approx(np.sqrt(stats.tvar(seen)))


def test_equal_shares_are_held_against_what_shares_can_be() -> None:
    """Half of such images can be 0.4 where the mean is 0.2; were -1 a share, six of seven could."""
    assert sample_of(np.full(8, 0.4), None, limit=0.2).p(0.2) == 0.5**8
    lone = sample_of(np.full(1, 0.4), None, limit=0.2)
    assert isinstance(lone, Measured)
    assert (lone.spread, lone.p(0.2)) == (0.0, 0.5)


def test_numbers_mostly_alike_do_not_pretend_to_be_sure() -> None:
    """Nine zeros and a 0.001: the bootstrap alone would bound the mean below 0.001."""
    values = np.array([0.0] * 9 + [0.001])
    low, high = sample_of(values, np.zeros(10) + 1e-12).interval(0.9)
    assert high > 0.25
    assert low < -0.25


@pytest.mark.parametrize(
    "make",
    [lambda rng, n: rng.beta(0.3, 3, n), lambda rng, n: rng.random(n) * (rng.random(n) < 0.1)],
)
def test_the_interval_of_skewed_numbers_covers_their_mean(make: object) -> None:
    """Beta(0.3, 3) with mean 1/11, and numbers that are zero nine times in ten with mean 0.05; 40
    images, 150 runs.
    """
    rng = np.random.default_rng(5)
    truth = float(np.mean(make(rng, 400_000)))  # type: ignore[operator]
    missed = np.zeros(2)
    for run in range(150):
        low, high = sample_of(make(rng, 40), None, run).interval(0.9)  # type: ignore[operator]
        missed += (high < truth, low > truth)
    assert (missed / 150 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)).all()
