"""Images that come in groups: known answers, laws, the oracle's error, and the promise by
simulation.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shortcut_audit.errors import UsageError
from shortcut_audit.judging import Comparison, Design, judge, p_value, without_groups
from shortcut_audit.judging.positive_control import with_effect
from shortcut_audit.judging.samples import Clustered, Outcomes, Sample, outcomes_of, sample_of
from shortcut_audit.judging.samples.jackknife import effective_groups, jackknife
from shortcut_audit.judging.samples.p_values import sign_flip_p
from shortcut_audit.records import Judgement, Verdict

RULE = Comparison(0.10, plant=True)
UNEQUAL = np.repeat(np.arange(20), np.arange(1, 21))  # 20 patients with 1 to 20 images
YES = st.sampled_from([0.0, 1.0])


def grouped(values: np.ndarray, control: np.ndarray | None, groups: np.ndarray) -> Judgement:
    return judge(values, control, RULE, Design(groups))


def sample(values: np.ndarray, control: np.ndarray | None, groups: np.ndarray | None) -> Sample:
    outcomes = outcomes_of(values, control, Design(groups))
    return sample_of(outcomes, 0.10, 0.90, 0, ends=False)


def whole(count: int, groups: int, each: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """All images of `count` of so many patients say yes; and whose images they are."""
    of = np.repeat(np.arange(groups), each)
    return of < count, of


def test_an_effect_on_most_patients_is_violated() -> None:
    values, groups = whole(17, 20)
    judged = grouped(values, np.zeros(200), groups)
    assert judged.verdict is Verdict.VIOLATED
    assert (judged.estimate.n, judged.estimate.value) == (200, 0.85)
    assert judged.estimate.method == "t over 20 groups, corrected for skewness"
    assert judged.null == "no effect (sign flips of whole groups)"


def test_an_honest_model_holds_on_enough_patients_and_the_planted_effect_is_found() -> None:
    values = np.zeros(300, bool)
    values[[3, 88]] = True
    judged = grouped(values, np.zeros(300, bool), np.repeat(np.arange(60), 5))
    assert judged.verdict is Verdict.HOLDS
    assert judged.detectable is not None
    assert judged.planted is not None
    assert judged.planted >= judged.detectable - 1e-9


@pytest.mark.parametrize("control", [None, np.zeros(200, bool)])
def test_no_event_in_twenty_patients_bounds_nothing_below_14_per_cent(
    control: np.ndarray | None,
) -> None:
    judged = grouped(np.zeros(200, bool), control, np.repeat(np.arange(20), 10))
    assert judge(np.zeros(200, bool), control, RULE).verdict is Verdict.HOLDS, "were they apart"
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.estimate.high == pytest.approx(1 - 0.05 ** (1 / 20))
    assert judged.advice == "about 29 groups in all would decide"
    assert judged.needed == 290, "in images"


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 60), st.data())
def test_four_groups_never_hold(groups: int, n: int, data: st.DataObject) -> None:
    of = data.draw(arrays(int, n, elements=st.integers(0, groups - 1)))
    assume(len(np.unique(of)) < n)
    values = data.draw(arrays(float, n, elements=YES | st.just(0.2)))
    control = data.draw(st.sampled_from([None, np.zeros(n)]))
    assert Comparison(0.5).decide(sample(values, control, of)) is not Verdict.HOLDS


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.booleans(), st.booleans(), st.data())
def test_groups_of_one_image_each_change_nothing(
    n: int, control: bool, numbers: bool, data: st.DataObject
) -> None:
    each = st.floats(0, 1) if numbers else YES
    values = data.draw(arrays(float, n, elements=each))
    beside = data.draw(arrays(float, n, elements=each)) if control else None
    names = np.array(data.draw(st.permutations(range(n))))
    assert judge(values, beside, RULE) == judge(values, beside, RULE, Design(names))
    assert p_value(values, beside, RULE) == p_value(values, beside, RULE, Design(names))


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.booleans(), st.data())
def test_groups_make_no_interval_narrower_and_their_names_and_order_change_nothing(
    n: int, control: bool, data: st.DataObject
) -> None:
    values = data.draw(arrays(float, n, elements=YES))
    beside = data.draw(arrays(float, n, elements=YES)) if control else None
    groups = data.draw(arrays(int, n, elements=st.integers(0, 9)))
    low, high = sample(values, beside, groups).interval(0.9)
    least, most = sample(values, beside, None).interval(0.9)
    assert low <= least + 1e-9
    assert high >= most - 1e-9
    order = np.array(data.draw(st.permutations(range(n))))
    moved = None if beside is None else beside[order]
    again = sample(values[order], moved, 7 - 3 * groups[order]).interval(0.9)
    assert again == pytest.approx((low, high))


@given(st.data())
def test_the_error_is_that_of_leaving_out_one_group_after_the_other(data: st.DataObject) -> None:
    values = data.draw(arrays(float, 30, elements=st.floats(-1, 1)))
    groups = np.append(data.draw(arrays(int, 28, elements=st.integers(0, 5))), [6, 7])
    means = np.array([values[groups != each].mean() for each in np.unique(groups)])
    found = jackknife(Outcomes(values, None), groups)
    if found.effective >= 2:
        variance = (len(means) - 1) * means.var()
        assert found.error == pytest.approx(np.sqrt(variance), abs=1e-9)


def test_the_error_is_statsmodels_with_equal_groups() -> None:
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(12), 7)
    values = rng.random(12)[groups] * 0.5 + rng.random(84) * 0.5
    fit = sm.OLS(values, np.ones(84)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    assert jackknife(Outcomes(values, None), groups).error == pytest.approx(fit.bse[0])
    alone = jackknife(Outcomes(values, None), np.arange(84))
    assert alone.error == pytest.approx(values.std(ddof=1) / np.sqrt(84))


def test_unequal_groups_tell_as_much_as_fewer_equal_ones() -> None:
    assert effective_groups(np.repeat([4, 9, 1], 5)) == pytest.approx(3)
    assert effective_groups(UNEQUAL) == pytest.approx(210**2 / 2870)
    assert effective_groups(np.array([0] * 98 + [1, 2])) < 1.1


def test_one_patient_with_nearly_all_images_leaves_everything_open() -> None:
    judged = grouped(np.zeros(100, bool), np.zeros(100, bool), np.array([0] * 98 + [1, 2]))
    assert (judged.estimate.low, judged.estimate.high, judged.p) == (-1, 1, 1)


def test_p_is_of_whole_groups() -> None:
    values, groups = whole(4, 4, each=25)
    p = p_value(values, np.zeros(100), RULE, Design(groups))
    assert p == pytest.approx(1 / 16, abs=0.01)
    assert p == sign_flip_p(np.full(4, 25.0))
    against_the_limit = p_value(values, None, RULE, Design(groups))
    assert against_the_limit == pytest.approx(0.1**4)


def test_an_undefined_image_leaves_its_group_in_step() -> None:
    values, groups = whole(5, 20, each=4)
    holes, control = values.astype(float), np.zeros(80)
    holes[::4], control[1::4] = np.nan, np.nan
    kept = np.arange(80) % 4 > 1
    assert judge(holes, control, RULE, Design(groups)) == judge(
        values[kept], np.zeros(40), RULE, Design(groups[kept])
    )


@pytest.mark.parametrize("events", [0, 3])
def test_so_many_groups_decide_and_one_less_does_not(events: int) -> None:
    values = np.arange(200) % 67 < (events > 0)
    found = sample(values, np.zeros(200, bool), np.repeat(np.arange(20), 10))
    judged = grouped(values, np.zeros(200, bool), np.repeat(np.arange(20), 10))
    assert judged.needed is not None
    groups = judged.needed // 10
    assert Comparison(0.10).decide(found.grown(groups)) is Verdict.HOLDS
    assert Comparison(0.10).decide(found.grown(groups - 1)) is Verdict.UNDECIDED


def test_what_is_said_to_be_found_is_found_four_times_in_five_where_whole_patients_turn() -> None:
    groups = np.repeat(np.arange(40), 6)
    effect = grouped(np.zeros(240, bool), np.zeros(240, bool), groups).detectable
    assert effect is not None
    turned = np.random.default_rng(1).random((150, 40)) < effect
    found = [
        Comparison(0.10).decide(sample(each[groups], np.zeros(240, bool), groups))
        for each in turned
    ]
    assert 0.7 < np.mean([verdict is Verdict.VIOLATED for verdict in found]) < 0.95


def test_a_planted_effect_turns_one_group_after_the_other() -> None:
    groups = np.array([2, 0, 1, 0, 2, 1])
    outcomes = Outcomes(np.zeros(6), np.zeros(6), Design(groups))
    assert with_effect(outcomes, 0.5).values.tolist() == [0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("icc", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("rate", "control"), [(0.1, False), (0.3, False), (0.1, True)])
def test_each_end_errs_in_5_per_cent_of_cases(icc: float, rate: float, control: bool) -> None:
    """20 patients with 1 to 20 images, 400 runs; benchmarks/intervals_over_groups.py has more."""
    rng = np.random.default_rng((int(10 * icc), int(10 * rate)))
    missed, alone = np.zeros(2), np.zeros(2)
    for _ in range(400):
        same = rng.random(210) < np.sqrt(icc)
        values = np.where(same, rng.random(20)[UNEQUAL], rng.random(210)) < rate
        beside = np.zeros(210, bool) if control else None
        for errors, groups in ((missed, UNEQUAL), (alone, None)):
            low, high = sample(values, beside, groups).interval(0.9)
            errors += (low > rate, high < rate)
    assert (missed / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)).all()
    if icc == 1:
        assert (alone / 400).max() > 0.2, "were the groups not known"


def test_numbers_in_groups_cover_their_mean() -> None:
    rng, missed = np.random.default_rng(8), np.zeros(2)
    for _ in range(200):
        values = (rng.random(20) ** 4)[UNEQUAL] * 0.8 + rng.random(210) * 0.2  # mean 0.26
        found = sample(values, None, UNEQUAL)
        assert isinstance(found, Clustered)
        low, high = found.interval(0.9)
        missed += (low > 0.26, high < 0.26)
    assert (missed / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)).all()


def test_images_whose_groups_nobody_said_decide_nothing() -> None:
    for values in (np.zeros(400, bool), np.ones(400, bool)):
        judged = judge(values, np.zeros(400, bool), RULE)
        assert judged.verdict is not Verdict.UNDECIDED
        unsaid = without_groups(judged)
        assert unsaid.verdict is Verdict.UNDECIDED
        assert (unsaid.needed, unsaid.planted, unsaid.detectable) == (None, None, None)
        assert "the audit must pass groups=... to audit.check" in unsaid.advice


@pytest.mark.parametrize("groups", [np.zeros(3, int), np.zeros((4, 1), int)])
def test_groups_that_do_not_fit_are_said(groups: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"which group it is of: \(4,\) are needed"):
        judge(np.zeros(4), None, RULE, Design(groups))
