"""Two lots of images: scipy's and statsmodels' answers, laws, exact coverage, known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep

from shortcut_audit.errors import UsageError
from shortcut_audit.judging import Comparison, Design, judge
from shortcut_audit.judging.intervals import clopper_pearson, unpaired_difference
from shortcut_audit.judging.samples import Measured, Outcomes, Unpaired, sample_of
from shortcut_audit.judging.samples.jackknife import jackknife
from shortcut_audit.records import Judgement, Verdict

RULE = Comparison(0.10, plant=True)
APART = Design(paired=False)


def yes(events: int, n: int) -> np.ndarray:
    return np.arange(n) < events


def compared(shown: np.ndarray, others: np.ndarray, design: Design = APART) -> Judgement:
    return judge(shown, others, RULE, design)


def test_a_decoy_that_is_really_there_is_violated() -> None:
    judged = compared(yes(50, 60), yes(30, 300))
    assert judged.verdict is Verdict.VIOLATED
    assert judged.estimate.value == pytest.approx(50 / 60 - 0.1)
    assert (judged.observed, judged.control, judged.estimate.n) == (50 / 60, 0.1, 360)
    assert judged.null == "no effect (Fisher's exact test)"


def test_an_honest_model_holds() -> None:
    judged = compared(yes(3, 150), yes(9, 600))
    assert judged.verdict is Verdict.HOLDS
    assert judged.planted is not None
    assert judged.planted >= 0.2


def test_too_few_that_show_it_are_undecided_and_enough_decide() -> None:
    judged = compared(yes(0, 10), yes(0, 90))
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.needed == 285, "28 and a half of them show it"
    assert judged.advice == "about 285 images in all would decide"
    assert compared(yes(0, 29), yes(0, 261)).verdict is Verdict.HOLDS
    assert compared(yes(0, 28), yes(0, 252)).verdict is Verdict.UNDECIDED


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_p_is_fishers_exact(shown: int, others: int, data: st.DataObject) -> None:
    events, other = data.draw(st.integers(0, shown)), data.draw(st.integers(0, others))
    table = [[events, shown - events], [other, others - other]]
    theirs = stats.fisher_exact(table, alternative="greater").pvalue
    assert Unpaired(events, shown, other, others).p(0.1) == pytest.approx(theirs, abs=1e-9)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_laws_of_the_interval(shown: int, others: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, shown)), shown
    second = data.draw(st.integers(0, others)), others
    low, high = unpaired_difference(first, second, 0.9)
    assert -1 <= low <= first[0] / shown - second[0] / others <= high <= 1
    assert unpaired_difference(second, first, 0.9) == pytest.approx((-high, -low))
    many = unpaired_difference(first, (0, 10**7), 0.9)
    assert many == pytest.approx(clopper_pearson(*first, 0.9), abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second"), [((70, 200), (20, 300)), ((5, 400), (7, 500)), ((300, 600), (3, 90))]
)
def test_with_many_images_the_interval_is_statsmodels(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    ours = unpaired_difference(first, second, 0.9)
    for method in ("newcomb", "score"):
        theirs = confint_proportions_2indep(*first, *second, method=method, alpha=0.1)
        assert ours == pytest.approx(theirs, abs=0.012)


@pytest.mark.parametrize(("shown", "others"), [(8, 8), (12, 40), (40, 12), (20, 60)])
def test_each_end_errs_in_about_5_per_cent_of_cases_counted_exactly(
    shown: int, others: int
) -> None:
    """Over all counts; Wilson's limits in place of Clopper-Pearson's err in up to 9 %."""
    counts = np.arange(shown + 1)[:, None], np.arange(others + 1)[None]
    ends = np.array(
        [
            [unpaired_difference((a, shown), (b, others), 0.9) for b in counts[1][0]]
            for a in counts[0][:, 0]
        ]
    )
    for usual in (0.0, 0.01, 0.05, 0.2, 0.5):
        for effect in (0.0, 0.02, 0.05, 0.1, 0.2, 0.5):
            first = stats.binom.pmf(counts[0], shown, usual + effect)
            chance = first * stats.binom.pmf(counts[1], others, usual)
            assert chance[ends[..., 0] > effect + 1e-9].sum() < 0.055
            assert chance[ends[..., 1] < effect - 1e-9].sum() < 0.055


def test_numbers_are_near_welchs_t_test() -> None:
    rng = np.random.default_rng(2)
    shown, others = rng.normal(0.5, 0.1, 60).clip(0, 1), rng.normal(0.45, 0.2, 200).clip(0, 1)
    found = sample_of(Outcomes(shown, others, APART), 0.1, 0.9, 0)
    assert isinstance(found, Measured)
    theirs = stats.ttest_ind(shown, others, equal_var=False)
    errors = (shown.std(ddof=1) / 60**0.5, others.std(ddof=1) / 200**0.5)
    assert found.spread / 60**0.5 == pytest.approx(np.hypot(*errors), rel=0.01)
    low, high = found.interval(0.9)
    least, most = theirs.confidence_interval(0.9)
    assert low <= least + 0.001
    assert high >= most - 0.001


def test_numbers_are_judged_by_the_smaller_side() -> None:
    numbers = np.linspace(0.1, 0.3, 400)
    assert compared(numbers[::4], numbers).verdict is Verdict.HOLDS
    judged = compared(numbers[::80], numbers)
    assert judged.verdict is Verdict.UNDECIDED
    assert "images of the smaller side in all would decide" in judged.advice
    assert compared(numbers[::4] + 0.5, numbers).verdict is Verdict.VIOLATED


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_group_may_have_images_on_both_sides(data: st.DataObject) -> None:
    groups = data.draw(arrays(int, 40, elements=st.integers(0, 7)))
    groups[:16] = np.arange(16) % 8
    shown = np.arange(40) % 3 == 0
    values = data.draw(arrays(float, 40, elements=st.floats(0, 1)))
    outcomes = Outcomes(values[shown], values[~shown], Design(groups[shown], False, groups[~shown]))
    found = jackknife(outcomes, np.asarray(outcomes.every_group))
    effects = [
        values[shown & (groups != each)].mean() - values[~shown & (groups != each)].mean()
        for each in range(8)
    ]
    if found.effective >= 2:
        assert found.error == pytest.approx(np.sqrt(7 * np.var(effects)), abs=1e-9)


def test_few_patients_who_show_it_prove_nothing() -> None:
    """400 pictures of four patients, against 40 patients: no number of their pictures decides."""
    design = Design(np.repeat(np.arange(4), 100), False, np.repeat(np.arange(4, 44), 10))
    judged = compared(yes(0, 400), yes(0, 400), design)
    assert compared(yes(0, 400), yes(0, 400)).verdict is Verdict.HOLDS
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.estimate.high > 0.5
    assert judged.null == "no effect (t test over groups)"
    many = Design(np.repeat(np.arange(40), 10), False, np.repeat(np.arange(40), 10))
    assert compared(yes(0, 400), yes(0, 400), many).verdict is Verdict.HOLDS
    assert compared(yes(350, 400), yes(0, 400), many).verdict is Verdict.VIOLATED


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_groups_of_one_image_each_change_nothing(data: st.DataObject) -> None:
    lots = [data.draw(arrays(float, n, elements=st.sampled_from([0.0, 1.0, 0.5]))) for n in (7, 15)]
    each = Design(np.arange(7), False, np.arange(7, 22))
    assert compared(*lots) == compared(*lots, each)


def test_undefined_images_drop_on_their_own_side() -> None:
    shown, others = np.append(yes(5, 60), np.nan), np.append(yes(9, 300), [np.nan, np.nan])
    design = Design(np.append(np.arange(60) // 2, 99), False, np.append(np.arange(300), [7, 7]))
    without = Design(np.arange(60) // 2, False, np.arange(300))
    assert compared(shown, others, design) == compared(yes(5, 60), yes(9, 300), without)


@pytest.mark.parametrize("sides", [(0, 5), (5, 0), (0, 0)])
def test_a_side_without_images_decides_nothing(sides: tuple[int, int]) -> None:
    judged = compared(np.zeros(sides[0]), np.zeros(sides[1]))
    assert (judged.verdict, judged.estimate.n) == (Verdict.UNDECIDED, 0)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(UsageError, match="one number for each image that shows it and for each"):
        judge(np.zeros(3), None, RULE, APART)
    with pytest.raises(UsageError, match="the groups of only one side are given"):
        judge(np.zeros(3), np.zeros(4), RULE, Design(np.zeros(3), paired=False))
    with pytest.raises(UsageError, match=r"which group it is of: \(4,\) are needed"):
        judge(np.zeros(3), np.zeros(4), RULE, Design(np.zeros(3), False, np.zeros(3)))
