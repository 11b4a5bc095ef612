"""A planted effect: what is planted, that it is found where a verdict is worth something, and what
is said where it is not.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from judging_of import judged_by

from shortcut_audit.judging import Comparison
from shortcut_audit.judging.positive_control import planted
from shortcut_audit.judging.samples import Pairs
from shortcut_audit.records import Limit, Verdict

LIMIT = Limit(0.10)
CLEAN = (0.01, 0.03, 0.02, 0.05)


def yes(events: int, n: int) -> np.ndarray:
    return np.arange(n) < events


def test_a_share_of_the_misses_become_hits() -> None:
    assert planted(np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0.0]), 0.25).tolist() == [
        1,
        1,
        1,
        1,
        1,
        0,
        0,
        0,
        0,
        0,
    ]
    assert planted(yes(9, 10), 0.20).tolist() == [1] * 10, (
        "the control leaves room for one image only"
    )


def test_every_number_gains_the_same_share_of_what_it_lacks() -> None:
    assert planted(np.array([0.2, 0.6]), 0.3) == pytest.approx([0.6, 0.8])
    assert planted(np.array([0.2, 0.6]), 0.9) == pytest.approx([1, 1])


@given(
    arrays(float, st.integers(1, 40), elements=st.sampled_from([0.0, 1.0]))
    | arrays(float, 12, elements=st.floats(-1, 1)),
    st.floats(0, 1),
)
def test_laws(control: np.ndarray, effect: float) -> None:
    shown = planted(control, effect)
    assert (shown >= control).all()
    assert (shown <= 1 + 1e-12).all()
    gained, room = (shown - control).mean(), (1 - control).mean()
    least = min(effect, room)
    assert least - 1e-9 <= gained < least + 1 / len(control) + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.integers(29, 400), st.data())
def test_a_pass_under_a_quiet_control_stays_one(n: int, data: st.DataObject) -> None:
    """It asks for nothing that the images cannot give: where there is room, what they are said to
    find is found.
    """
    control = yes(data.draw(st.integers(0, n // 3)), n)
    values = yes(data.draw(st.integers(0, n // 3)), n)
    references = data.draw(st.sampled_from([(), CLEAN, tuple(np.linspace(0, 0.1, 24))]))
    alone, checked = (
        judged_by(values, control, LIMIT, references=references, plant=plant)
        for plant in (False, True)
    )
    assert checked.verdict is alone.verdict
    assert (checked.planted is None) is (alone.verdict is not Verdict.HOLDS)
    if checked.planted is not None:
        assert checked.planted >= max(0.20, checked.detectable or 0.0) - 1e-9


@pytest.mark.parametrize("of", [bool, float])
def test_a_control_that_leaves_no_room_proves_nothing(of: type) -> None:
    """370 of 400 images turn anyway: no decoy could add ten points, so that "at most ten" says
    nothing of it.
    """
    values = control = yes(370, 400) * of(1) if of is bool else np.linspace(0.85, 1, 400)
    judged = judged_by(values, control, LIMIT, plant=True)
    assert judged_by(values, control, LIMIT).verdict is Verdict.HOLDS
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.detectable is None
    assert (
        "even a planted effect of 8 points, all that the control leaves room for, would not have been found"
        in judged.advice
    )
    assert judged.needed is None
    assert judged.advice.endswith("more images would not change that")


def test_where_more_images_would_find_it_they_are_counted() -> None:
    """The control leaves room for 13 points: too little for 100 images, enough for so many."""
    judged = judged_by(yes(87, 100), yes(87, 100), LIMIT, plant=True)
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.needed is not None
    assert judged.advice.endswith(f"about {judged.needed} images in all would find it")
    for n, verdict in ((judged.needed, Verdict.VIOLATED), (judged.needed - 1, Verdict.UNDECIDED)):
        assert Comparison(0.10).decide(Pairs(0.13 * n, 0, n)) is verdict


@pytest.mark.parametrize(("events", "can"), [(200, True), (330, True), (345, False), (395, False)])
def test_no_report_promises_an_effect_that_the_control_leaves_no_room_for(
    events: int, can: bool
) -> None:
    judged = judged_by(yes(events, 400), yes(events, 400), LIMIT)
    assert (judged.detectable is not None) is can
    assert judged.detectable is None or judged.detectable <= 1 - events / 400


def test_references_that_spread_over_everything_prove_nothing() -> None:
    judged = judged_by(
        yes(3, 400), yes(2, 400), LIMIT, references=(0.0, 0.9), siblings=(0.5,), plant=True
    )
    assert judged.verdict is Verdict.UNDECIDED
    assert judged.planted == pytest.approx(398 / 400)
    assert (
        "even a planted effect of 100 points would not have been found, against clean training: 2 ref"
        in judged.advice
    )


def test_a_set_of_which_most_share_the_shortcut_clears_nobody() -> None:
    judged = judged_by(yes(3, 400), yes(2, 400), LIMIT, rashomon=(0.9, 0.95, 0.92), plant=True)
    assert judged.verdict is Verdict.UNDECIDED
    assert "blind once half of them share the shortcut" in judged.advice
    assert (
        judged_by(
            yes(3, 400), yes(2, 400), LIMIT, rashomon=(0.9, 0.0, 0.01, 0.02), plant=True
        ).verdict
        is Verdict.HOLDS
    )


def test_a_rate_without_a_control_is_planted_into_nothing() -> None:
    judged = judged_by(yes(0, 60), None, LIMIT, plant=True)
    assert judged.verdict is Verdict.HOLDS
    assert judged.planted is not None
    assert 0.20 <= judged.planted < 0.30
