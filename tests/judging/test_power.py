"""What would decide, what could have been found: checked by doing it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from judging_of import judged_by

from shortcut_audit.judging import Comparison
from shortcut_audit.judging.power import images_needed, smallest_detectable
from shortcut_audit.judging.samples import Pairs, Rate
from shortcut_audit.records import Limit, Verdict

LIMIT = Limit(0.10)


@pytest.mark.parametrize(("limit", "n"), [(0.10, 29), (0.05, 59), (0.02, 149), (0.01, 299)])
def test_ten_images_without_an_event_ask_for_the_known_number(limit: float, n: int) -> None:
    assert images_needed(Rate(0, 10), Comparison(limit).decide) == n
    assert images_needed(Pairs(0, 0, 10), Comparison(limit).decide) == n


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 120), st.data())
def test_so_many_images_decide_and_one_less_does_not(n: int, data: st.DataObject) -> None:
    gained = data.draw(st.integers(0, n))
    sample = Pairs(gained, data.draw(st.integers(0, n - gained)), n)
    decide = Comparison(0.10).decide
    assume(decide(sample) is Verdict.UNDECIDED)
    needed = images_needed(sample, decide)
    if needed is not None:
        assert needed > n
        assert decide(sample.grown(needed)) is not Verdict.UNDECIDED
        assert decide(sample.grown(needed - 1)) is Verdict.UNDECIDED


def test_on_the_limit_no_number_of_images_decides() -> None:
    values, control = np.arange(100) < 10, np.zeros(100, dtype=bool)
    judged = judged_by(values, control, LIMIT)
    assert (judged.verdict, judged.needed) == (Verdict.UNDECIDED, None)
    assert (
        judged.advice
        == "as observed, the effect sits on the limit: no number of such images would decide"
    )


def test_where_references_disagree_more_images_do_not_help() -> None:
    values, control = np.arange(300) < 90, np.zeros(300, dtype=bool)
    judged = judged_by(values, control, LIMIT, references=[0.02, 0.25, 0.10])
    assert (judged.verdict, judged.needed) == (Verdict.UNDECIDED, None)
    assert (
        judged.advice
        == "more images would not decide; about 20 reference models in all (there are 3) would"
    )


def test_two_references_are_enough_to_say_how_many_would_do() -> None:
    values, control = np.arange(300) < 60, np.zeros(300, dtype=bool)
    two = judged_by(values, control, LIMIT, references=[0.02, 0.10])
    assert two.advice == (
        "more images would not decide; about 5 reference models in all (there are 2) would"
    )
    assert (
        "reference models in all" not in judged_by(values, control, LIMIT, references=[0.1]).advice
    )


@pytest.mark.parametrize(
    ("n", "lost", "rule"),
    [
        (40, 0, Comparison(0.1)),
        (93, 3, Comparison(0.1, siblings=(0.5, 0.5), family=2)),
        (372, 8, Comparison(0.1)),
    ],
)
def test_the_detectable_effect_is_found_four_times_in_five(
    n: int, lost: int, rule: Comparison
) -> None:
    effect = smallest_detectable(Pairs(0, lost, n), rule.decide)
    assert effect is not None
    rate = effect + lost / n
    gained = np.random.default_rng(n).binomial(n, rate, 1000)
    outcome = {int(b): rule.decide(Pairs(int(b), lost, n)) is Verdict.VIOLATED for b in set(gained)}
    assert np.mean([outcome[int(b)] for b in gained]) == pytest.approx(0.8, abs=0.05)


def test_the_detectable_effect_of_numbers_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    noise = np.clip(rng.normal(0, 0.15, (100, 60)), -0.5, 0.5)
    first = judged_by(0.4 + noise[0], np.full(60, 0.4), LIMIT)
    assert first.detectable is not None
    found = [
        judged_by(0.4 + first.detectable + row, np.full(60, 0.4), LIMIT, seed=i).verdict
        for i, row in enumerate(noise[1:61])
    ]
    assert np.mean([verdict is Verdict.VIOLATED for verdict in found]) == pytest.approx(
        0.8, abs=0.16
    )


@settings(max_examples=30, deadline=None)
@given(st.integers(20, 200), st.integers(0, 3))
def test_it_is_beyond_the_limit_and_falls_with_more_images(n: int, lost: int) -> None:
    decide = Comparison(0.10).decide
    few, many = (smallest_detectable(Pairs(0, lost * times, n * times), decide) for times in (1, 4))
    assert many is not None
    assert 0.10 < many <= 1
    assert few is None or many <= few + 1e-9


def test_references_that_spread_raise_what_can_be_found() -> None:
    tight = smallest_detectable(
        Pairs(0, 2, 300), Comparison(0.1, references=(0.0, 0.02, 0.04)).decide
    )
    wide = smallest_detectable(
        Pairs(0, 2, 300), Comparison(0.1, references=(0.0, 0.15, 0.3)).decide
    )
    assert tight is not None
    assert wide is not None
    assert wide > tight + 0.2


def test_three_images_can_find_nothing() -> None:
    assert judged_by(np.zeros(3, dtype=bool), np.zeros(3, dtype=bool), LIMIT).detectable is None
