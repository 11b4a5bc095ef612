"""Is it beyond what clean training gives? Against statsmodels' prediction interval, by rank, and
without references.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS

from shortcut_audit.judging.references import (
    beyond_rashomon_set,
    beyond_references,
    sound_references,
)

effects = st.lists(st.floats(-0.5, 1), min_size=2, max_size=40)


@pytest.mark.parametrize("m", [2, 4, 12, 18])
def test_p_is_five_percent_at_the_end_of_the_prediction_interval(m: int) -> None:
    references = np.random.default_rng(m).normal(0.05, 0.06, m)
    upper = (
        OLS(references, np.ones(m))
        .fit()
        .get_prediction([[1.0]])
        .conf_int(obs=True, alpha=0.10)[0, 1]
    )
    p, words = beyond_references(upper, list(references))
    assert p == pytest.approx(0.05)
    assert words == f"clean training: {m} reference models (t prediction)"


def test_clean_seeds_that_agree_to_the_digit_are_not_a_proof() -> None:
    p, _ = beyond_references(0.05, [0.01, 0.01, 0.01])
    assert p > 0.05  # the spread is floored at two points


def test_from_nineteen_on_ranks_decide_where_the_tests_leave_them_room() -> None:
    references = [0.01 * i for i in range(24)]
    p, words = beyond_references(0.9, references)
    assert (p, words) == (1 / 25, "clean training: 24 reference models (conformal rank)")
    # ties count against the model's guilt
    assert beyond_references(0.1, references)[0] == (1 + 14) / 25
    crowded, words = beyond_references(0.9, references, tests=2)
    assert crowded * 2 < 0.05, "two tests over 24 ranks could never reach 0.05"
    assert "t prediction" in words
    assert "t prediction" in beyond_references(0.9, references[:19])[1], "1/20 is not below 0.05"


def test_ranks_are_uniform_for_an_exchangeable_model() -> None:
    draws = np.random.default_rng(0).gamma(1.0, 0.05, (3000, 40))
    ps = np.array([beyond_references(row[0], row[1:])[0] for row in draws])
    for share in (0.05, 0.1, 0.5):
        assert (ps <= share + 1e-12).mean() <= share + 3 * np.sqrt(share * (1 - share) / 3000)


@given(effects, st.floats(-0.5, 1), st.floats(0, 0.5), st.integers(1, 9))
def test_a_larger_effect_never_has_a_larger_p(
    others: list[float], effect: float, more: float, tests: int
) -> None:
    assert (
        beyond_references(effect + more, others, tests)[0]
        <= beyond_references(effect, others, tests)[0]
    )
    assert beyond_rashomon_set(effect + more, others)[0] <= beyond_rashomon_set(effect, others)[0]
    assert 0 <= beyond_references(effect, others, tests)[0] <= 1


def test_a_bad_reference_goes_and_the_good_ones_stay() -> None:
    named = {"F0-s0": 0.01, "F0-s1": 0.03, "bad": 0.90, "F0-s2": 0.05}
    assert sound_references(named, 0.10) == ["F0-s0", "F0-s1", "F0-s2"]


def test_two_bad_references_do_not_hide_each_other() -> None:
    named = {"a": 0.01, "b": 0.03, "c": 0.02, "bad": 0.90, "worse": 0.92}
    assert beyond_references(0.92, [0.01, 0.03, 0.02, 0.90])[0] > 0.05, (
        "leaving one out alone is masked"
    )
    assert sound_references(named, 0.10) == ["a", "b", "c"]


def test_a_reference_inside_the_limit_or_among_only_two_stays_and_an_unknown_one_goes() -> None:
    assert sound_references({"a": 0.0, "b": 0.001, "c": 0.002, "d": 0.09}, 0.10) == [
        "a",
        "b",
        "c",
        "d",
    ]
    assert sound_references({"a": 0.0, "b": 0.9}, 0.10) == ["a", "b"]
    assert sound_references({"a": 0.0, "b": float("nan")}, 0.10) == ["a"]


@given(st.dictionaries(st.text("abcdef", min_size=1), st.floats(-0.5, 1), max_size=12))
def test_more_than_half_of_the_references_always_stay(named: dict[str, float]) -> None:
    kept = sound_references(named, 0.10)
    assert len(kept) * 2 > len(named) or not named
    assert [name for name in named if name in kept] == kept


def test_few_honest_references_are_lost() -> None:
    rng = np.random.default_rng(3)
    kept = [
        len(sound_references(dict(enumerate(rng.normal(0.03, 0.06, 6))), 0.10)) for _ in range(400)
    ]  # type: ignore[arg-type]
    assert np.mean(kept) > 5.9


def test_the_set_speaks_for_itself_until_half_of_it_shares_the_shortcut() -> None:
    lone, words = beyond_rashomon_set(0.9, [0.02, 0.05, 0.01, 0.04, 0.85])
    assert lone < 0.001
    assert "blind once half of them share the shortcut" in words
    shared, _ = beyond_rashomon_set(0.9, [0.92, 0.88, 0.90, 0.04, 0.85])
    assert shared > 0.05
