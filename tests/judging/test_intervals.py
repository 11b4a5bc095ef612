"""Intervals against scipy, against a numeric likelihood, and their exact error on small n."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from shortcut_audit.judging.intervals import (
    agresti_min,
    bca,
    clopper_pearson,
    paired_difference,
    tango,
    unseen,
)

LEVEL = 0.90


@st.composite
def paired_counts(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 400))
    gained = draw(st.integers(0, n))
    return gained, draw(st.integers(0, n - gained)), n


@given(st.integers(1, 500), st.data(), st.sampled_from([0.8, 0.9, 0.95]))
def test_clopper_pearson_is_scipys(n: int, data: st.DataObject, level: float) -> None:
    events = data.draw(st.integers(0, n))
    theirs = stats.binomtest(events, n).proportion_ci(level, method="exact")
    assert clopper_pearson(events, n, level) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize(("n", "rate"), [(12, 0.1), (40, 0.03), (93, 0.5), (372, 0.08)])
def test_clopper_pearson_covers_as_often_as_promised_and_as_scipys(n: int, rate: float) -> None:
    """By simulation, each end on its own: at most 5 % of runs miss the truth there (and 3 standard
    errors).
    """
    events = np.random.default_rng(n).binomial(n, rate, 2000)
    ours = {count: clopper_pearson(count, n, LEVEL) for count in np.unique(events).tolist()}
    for count, found in ours.items():
        theirs = stats.binomtest(count, n).proportion_ci(LEVEL, method="exact")
        assert (theirs.low <= rate, rate <= theirs.high) == (found[0] <= rate, rate <= found[1])
    misses = np.array([[rate < ours[count][0], rate > ours[count][1]] for count in events]).mean(0)
    assert (misses <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)).all()


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.9, 0.99]))
def test_clopper_pearson_mirrors_moves_up_with_an_event_and_narrows_with_images(
    n: int, data: st.DataObject, level: float
) -> None:
    events = data.draw(st.integers(0, n))
    low, high = clopper_pearson(events, n, level)
    assert clopper_pearson(n - events, n, level) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert 0 <= low <= events / n <= high <= 1
    if events < n:
        one_more = clopper_pearson(events + 1, n, level)
        assert low < one_more[0]
        assert high <= one_more[1]
    more = clopper_pearson(4 * events, 4 * n, level)
    assert more[1] - more[0] < high - low


@settings(max_examples=50, deadline=None)
@given(paired_counts(), st.sampled_from([0.8, 0.9, 0.95]))
def test_tango_and_agresti_min_mirror_one_by_one(
    counts: tuple[int, int, int], level: float
) -> None:
    gained, lost, n = counts
    for interval in (tango, agresti_min):
        low, high = interval(gained, lost, n, level)
        assert interval(lost, gained, n, level) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize(("n", "share"), [(29, 0.10), (59, 0.05), (149, 0.02), (299, 0.01)])
def test_zero_events_bound_a_rate_only_from_so_many_images_on(n: int, share: float) -> None:
    for interval in (
        lambda n: clopper_pearson(0, n, LEVEL),
        lambda n: paired_difference(0, 0, n, LEVEL),
        lambda n: unseen(0.0, n, LEVEL),
    ):
        assert interval(n)[1] < share <= interval(n - 1)[1]


def test_agresti_min_is_wald_on_a_table_with_half_an_image_more_in_each_cell() -> None:
    # rows: with decoy yes / no; columns: control yes / no
    table = np.array([[36.0, 12.0], [2.0, 40.0]]) + 0.5
    shares = table / table.sum()
    weights = np.array([[0.0, 1.0], [-1.0, 0.0]])
    mean = (weights * shares).sum()
    error = np.sqrt(((weights**2 * shares).sum() - mean**2) / table.sum())
    assert agresti_min(12, 2, 90, LEVEL) == pytest.approx(
        stats.norm.interval(LEVEL, mean, error), abs=1e-9
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.data())
def test_tangos_high_end_without_losses_is_wilsons(n: int, data: st.DataObject) -> None:
    gained = data.draw(st.integers(1, n))
    theirs = stats.binomtest(gained, n).proportion_ci(LEVEL, method="wilson")
    assert tango(gained, 0, n, LEVEL)[1] == pytest.approx(theirs.high, abs=1e-7)


@pytest.mark.parametrize(
    ("gained", "lost", "n"), [(12, 2, 50), (9, 6, 40), (3, 17, 60), (30, 30, 100)]
)
def test_tangos_ends_score_z_under_the_most_likely_rates(gained: int, lost: int, n: int) -> None:
    for end, sign in zip(tango(gained, lost, n, LEVEL), (1, -1), strict=True):

        def unlikely(rate: float, end: float = end) -> float:
            rates = np.clip([rate + end, rate, 1 - 2 * rate - end], 1e-15, 1)
            return -float(np.dot([gained, lost, n - gained - lost], np.log(rates)))

        lost_rate = optimize.minimize_scalar(
            unlikely,
            bounds=(max(0, -end), (1 - end) / 2),
            method="bounded",
            options={"xatol": 1e-12},
        ).x
        error = np.sqrt(n * (2 * lost_rate + end - end**2))
        assert (gained - lost - n * end) / error == pytest.approx(
            sign * stats.norm.ppf(0.95), abs=1e-3
        )


@given(paired_counts())
def test_the_paired_interval_mirrors_when_decoy_and_control_swap(
    counts: tuple[int, int, int],
) -> None:
    gained, lost, n = counts
    low, high = paired_difference(gained, lost, n, LEVEL)
    assert paired_difference(lost, gained, n, LEVEL) == pytest.approx((-high, -low), abs=1e-9)


@given(paired_counts())
def test_the_paired_interval_holds_the_estimate_and_is_never_a_point(
    counts: tuple[int, int, int],
) -> None:
    gained, lost, n = counts
    low, high = paired_difference(gained, lost, n, LEVEL)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert low < high


@given(paired_counts(), st.integers(2, 9))
def test_more_images_of_the_same_kind_narrow_it_and_a_higher_level_widens_it(
    counts: tuple[int, int, int], times: int
) -> None:
    gained, lost, n = counts
    low, high = paired_difference(gained, lost, n, LEVEL)
    more = paired_difference(gained * times, lost * times, n * times, LEVEL)
    sure = paired_difference(gained, lost, n, 0.99)
    assert more[1] - more[0] < high - low
    assert sure[0] <= low
    assert high <= sure[1]


@given(paired_counts())
def test_one_more_gained_image_moves_both_ends_up(counts: tuple[int, int, int]) -> None:
    gained, lost, n = counts
    if gained + lost < n:
        before, after = (
            paired_difference(gained, lost, n, LEVEL),
            paired_difference(gained + 1, lost, n, LEVEL),
        )
        assert after[0] >= before[0] - 1e-9
        assert after[1] >= before[1] - 1e-9


def exact_errors(interval: object, n: int, gained: float, lost: float) -> tuple[float, float]:
    """P(high end below the truth) and P(low end above it), summed over every table that n pairs can
    give.
    """
    truth, below, above = gained - lost, 0.0, 0.0
    trinomial = stats.multinomial(n, [gained, lost, 1 - gained - lost])
    for b in range(n + 1):
        for c in range(n - b + 1):
            chance = (
                trinomial.pmf([b, c, n - b - c])
                if lost
                else (stats.binom.pmf(b, n, gained) if c == 0 else 0.0)
            )
            if chance > 1e-9:
                low, high = interval(b, c, n, LEVEL)  # type: ignore[operator]
                below += chance * (high < truth)
                above += chance * (low > truth)
    return below, above


@pytest.mark.parametrize("lost", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("n", [10, 20, 32])
def test_each_end_errs_as_rarely_as_promised(n: int, lost: float) -> None:
    below, above = exact_errors(paired_difference, n, 0.10 + lost, lost)
    assert below <= 0.06
    assert above <= 0.06


def test_agresti_min_alone_would_pass_too_much() -> None:
    assert exact_errors(agresti_min, 32, 0.10, 0.0)[0] > 0.15


def test_equal_values_bound_the_mean_exactly() -> None:
    """The worst population that shows n values of 0.3: the rest of its mass sits at the end of the
    span.
    """
    n = 25
    low, high = unseen(0.3, n, LEVEL, (0.0, 1.0))
    for end, extreme in ((low, 0.0), (high, 1.0)):
        share = (end - extreme) / (0.3 - extreme)  # P(X = 0.3) where the mean is `end`
        assert share**n == pytest.approx(0.05)


def test_bca_agrees_with_students_t_on_bell_shaped_values() -> None:
    values = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    ends = bca(values, LEVEL)
    assert ends == pytest.approx(
        stats.t.interval(LEVEL, 199, values.mean(), stats.sem(values)), abs=0.01
    )


def test_bca_covers_the_mean_of_skewed_values_as_scipys_does() -> None:
    """Shares on a decoy are skewed; 60 of them, 150 runs: each end misses in 5 % (and 3 standard
    errors), in step with scipy.
    """
    rng = np.random.default_rng(5)
    misses = np.zeros((150, 2))
    for i in range(150):
        values = rng.beta(0.6, 2.4, 60)
        low, high = bca(values, LEVEL, seed=i) or (0.0, 0.0)
        misses[i] = low > 0.2, high < 0.2
        if i < 5:
            theirs = stats.bootstrap(
                (values,),
                np.mean,
                confidence_level=LEVEL,
                n_resamples=4000,
                rng=np.random.default_rng(i),
            )
            assert (low, high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)
    assert (misses.mean(0) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150) + 0.02).all(), (
        "60 skewed values cost it about two per cent"
    )


@settings(max_examples=20)
@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.integers(0, 5))
def test_bca_is_the_same_every_time_or_says_that_it_cannot(values: list[float], seed: int) -> None:
    ends = bca(np.array(values), LEVEL, seed)
    assert ends == bca(np.array(values), LEVEL, seed)
    assert ends is None or min(values) - 1e-9 <= ends[0] <= ends[1] <= max(values) + 1e-9
