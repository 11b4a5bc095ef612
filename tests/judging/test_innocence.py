"""What clean training shows as well is innocent, up to a cap: known answers, laws, other people's
formulas, and the promise.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging_of import judged_by
from scipy import stats
from statsmodels.regression.linear_model import OLS

from shortcut_audit.judging import Innocence
from shortcut_audit.judging.references import (
    beyond_innocence,
    excess_over_references,
    more_references,
)
from shortcut_audit.records import Judgement, Limit, Verdict

LIMIT, CAP = Limit(0.10), Innocence(0.30)
USUAL = (0.10, 0.14, 0.12, 0.16)
effects = st.lists(st.floats(-0.2, 0.6), min_size=2, max_size=40)


def judged(
    events: int, references: tuple[float, ...] = USUAL, n: int = 800, **more: object
) -> Judgement:
    values, control = np.arange(n) < events, np.zeros(n, dtype=bool)
    return judged_by(values, control, LIMIT, references=references, innocent=CAP, **more)  # type: ignore[arg-type]


def test_what_clean_models_show_too_holds_and_says_so() -> None:
    found = judged(112)
    assert (found.verdict, found.p) == (Verdict.HOLDS, pytest.approx(0.40, abs=0.1))
    assert found.excess == pytest.approx(0.14 - 0.13)
    assert found.excess_high is not None
    assert 0.02 < found.excess_high < LIMIT.value < found.estimate.value


@pytest.mark.parametrize(
    ("events", "references", "why"),
    [
        (112, USUAL[:2], "two reference models are too few"),
        (112, (), "nothing shows that it is innocent"),
        (250, (0.28, 0.29, 0.27, 0.26), "its far end is beyond the cap"),
        (112, (0.10, 0.14, 0.12, 0.31), "a reference is beyond the cap"),
        (200, (0.02, 0.26, 0.20, 0.25), "its own part is not shown to be inside the limit"),
    ],
)
def test_what_is_not_shown_to_be_innocent_does_not_hold(
    events: int, references: tuple[float, ...], why: str
) -> None:
    assert judged(events, references).verdict is not Verdict.HOLDS, why


def test_nothing_is_innocent_where_no_cap_is_given() -> None:
    values = np.arange(800) < 112
    assert (
        judged_by(values, np.zeros(800, bool), LIMIT, references=USUAL).verdict is not Verdict.HOLDS
    )


def test_an_effect_inside_the_limit_needs_no_excuse() -> None:
    assert judged(20).excess is None


def test_a_learned_decoy_is_found_beside_clean_models_that_lie_far_apart() -> None:
    wide = (0.03, 0.30, 0.54, 0.01)
    assert judged(752, wide, siblings=[0.7], family=1.25).verdict is Verdict.VIOLATED
    assert judged(400, wide).verdict is Verdict.UNDECIDED, "half: clean training might give that"
    assert judged(752, (0.9, 0.95, 0.85, 0.92)).verdict is Verdict.UNDECIDED, (
        "every clean model does the same"
    )


def test_the_advice_says_how_many_reference_models_would_do() -> None:
    found = judged(150, (0.05, 0.20, 0.10, 0.25))
    assert found.verdict is Verdict.UNDECIDED
    assert (
        found.advice
        == "more images would not decide; about 9 reference models in all (there are 4) would"
    )
    assert judged(150, more_references((0.05, 0.20, 0.10, 0.25), 9)).verdict is Verdict.HOLDS
    assert judged(150, more_references((0.05, 0.20, 0.10, 0.25), 8)).verdict is Verdict.UNDECIDED


def test_where_nobody_named_a_class_what_all_clean_models_do_is_innocent_however_much() -> None:
    """A border of sharp colours turns nearly every photograph into some flower, in every model that
    never saw one.
    """
    nobodys = Innocence(np.inf, 0.30)

    def found(events: int, references: tuple[float, ...]) -> Judgement:
        values = np.arange(360) < events
        return judged_by(
            values,
            np.zeros(360, bool),
            Limit(0.60),
            references=references,
            beyond=0.60,
            innocent=nobodys,
        )

    assert found(240, (0.60, 0.55, 0.64, 0.58)).verdict is Verdict.HOLDS
    crowded = found(330, (0.90, 0.85, 0.94, 0.88))
    assert crowded.verdict is Verdict.UNDECIDED, (
        "a model that turns every picture could not be told from these"
    )
    assert "with a smaller or fainter decoy there is more to tell" in crowded.advice
    assert found(330, (0.90, 0.85)).verdict is Verdict.UNDECIDED, "two references show nothing"
    assert found(330, (0.90, 0.30, 0.55, 0.61)).verdict is Verdict.UNDECIDED, (
        "clean models lie too far apart to tell"
    )
    assert found(330, (0.05, 0.10, 0.02, 0.08)).verdict is Verdict.VIOLATED


@given(effects, st.integers(2, 40))
def test_more_references_have_the_same_mean_and_spread(references: list[float], m: int) -> None:
    more = more_references(references, m)
    assert len(more) == m
    assert np.mean(more) == pytest.approx(np.mean(references))
    if len(set(more)) > 1:
        assert np.std(more, ddof=1) == pytest.approx(np.std(references, ddof=1))


@pytest.mark.parametrize("m", [3, 4, 12])
def test_the_far_end_is_that_of_the_references_mean_where_images_are_many(m: int) -> None:
    references = np.random.default_rng(m).normal(0.12, 0.05, m)
    low = (
        OLS(references, np.ones(m))
        .fit()
        .get_prediction([[1.0]])
        .conf_int(obs=False, alpha=0.10)[0, 0]
    )
    own, far = excess_over_references(0.15, 0.0, list(references))
    assert own == pytest.approx(0.15 - references.mean())
    assert far == pytest.approx(0.15 - low)


@pytest.mark.parametrize("m", [2, 4, 9])
def test_beyond_innocence_is_scipys_one_sample_t_test(m: int) -> None:
    references = np.random.default_rng(m).normal(0.3, 0.2, m)
    p, _ = beyond_innocence(0.9, list(references), 0.10)
    assert p == pytest.approx(stats.ttest_1samp(references, 0.9 - 0.10, alternative="less").pvalue)


@given(st.integers(0, 800), effects, st.lists(st.floats(0.001, 1), max_size=4))
def test_more_tests_never_make_a_pass(
    events: int, references: list[float], siblings: list[float]
) -> None:
    alone, among = (
        judged(events, tuple(references)),
        judged(events, tuple(references), siblings=siblings),
    )
    if alone.verdict is not Verdict.HOLDS:
        assert among.verdict is not Verdict.HOLDS


@given(st.integers(0, 800), effects, st.floats(0.05, 0.29))
def test_a_larger_limit_never_takes_a_pass_away(
    events: int, references: list[float], limit: float
) -> None:
    values, control = np.arange(800) < events, np.zeros(800, bool)
    tight, wide = (
        judged_by(values, control, Limit(each), references=references, innocent=CAP).verdict
        for each in (limit, limit + 0.05)
    )
    assert tight is not Verdict.HOLDS or wide is Verdict.HOLDS


def test_a_second_decoy_beside_many_references_makes_no_pass() -> None:
    """With 26 references the rank decides alone, and leaves no room for a second test, for which
    Student's t stands in.
    """
    clean, values = (0.08,) * 13 + (0.20,) * 13, np.arange(2000) < 420
    for siblings in ([], [0.5], [0.5, 0.5]):
        found = judged_by(
            values,
            np.zeros(2000, bool),
            LIMIT,
            references=clean,
            siblings=siblings,
            family=1.25,
            innocent=CAP,
        )
        assert found.verdict is not Verdict.HOLDS


def test_p_never_rises_with_the_effect_where_nothing_is_innocent_any_more() -> None:
    ps = [
        found.p
        for events in range(400, 800, 10)
        if (found := judged(events, (0.03, 0.30, 0.54, 0.01))) and found.p is not None
    ]
    assert all(later <= earlier for earlier, later in pairwise(ps))


@pytest.mark.slow
def test_a_model_whose_own_part_is_the_limit_passes_in_at_most_one_of_twenty() -> None:
    """Clean seeds spread by 0.04 about 0.12; the candidate does ten points more than the mean of
    clean training.
    """
    rng, n, rounds = np.random.default_rng(0), 800, 2000
    passed = 0
    for _ in range(rounds):
        clean = rng.binomial(n, rng.normal(0.12, 0.04, 4).clip(0, 1)) / n
        values = np.arange(n) < rng.binomial(n, 0.12 + LIMIT.value)
        found = judged_by(values, np.zeros(n, bool), LIMIT, references=tuple(clean), innocent=CAP)
        passed += found.verdict is Verdict.HOLDS
    assert passed / rounds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)
