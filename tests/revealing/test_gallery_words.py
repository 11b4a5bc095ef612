"""How the page names the outcome, and where a thing stands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shortcut_audit.discovery.families.family import Family
from shortcut_audit.records import UNMEASURED, Finding, Verdict
from shortcut_audit.revealing.gallery import title
from shortcut_audit.revealing.revealed import Answer, Revealed, Thing
from shortcut_audit.revealing.states import State
from shortcut_audit.revealing.views import where

MARK = Family("cat", ("cut_outs",), "", 32, np.zeros((4, 6, 4), np.uint8))


def answer(state: State, effect: float = 0.5) -> Answer:
    estimate = replace(UNMEASURED.estimate, value=effect)
    judgement = replace(UNMEASURED, estimate=estimate, observed=effect)
    made = Finding("unknown_shortcuts", ("F",), None, Verdict.HOLDS, False, "", judgement=judgement)
    return Answer(made, state, 0.0)


def thing(**answers: Answer) -> Thing:
    return Thing("unnamed_cat_1", MARK, ("proposed",), answers)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ([], "Nothing is confirmed, which is no pass"),
        ([State.NOT_CONFIRMED, State.UNCOMPARED], "Nothing is confirmed, which is no pass"),
        ([State.SHARED], "1 thing turns pictures in all models alike: look at it"),
        ([State.SHARED, State.CONFIRMED], "1 shortcut that nobody had named is confirmed"),
        ([State.CONFIRMED] * 2, "2 shortcuts that nobody had named are confirmed"),
    ],
)
def test_the_title_is_the_outcome(states: list[State], words: str) -> None:
    things = tuple(thing(model=answer(state)) for state in states)
    assert title(Revealed(("cat",), things, {}, {}, {})) == words


def test_the_worst_model_speaks_for_a_thing_and_those_that_do_nothing_have_no_line() -> None:
    found = thing(
        quiet=answer(State.NOT_CONFIRMED, 0.0),
        proposed=answer(State.NOT_CONFIRMED, 0.1),
        some=answer(State.CONFIRMED, 0.3),
        most=answer(State.CONFIRMED, 0.9),
        alike=answer(State.SHARED, 1.0),
    )
    assert found.worst == "most"
    assert found.state is State.CONFIRMED
    assert list(found.told()) == ["most", "some", "alike", "proposed"]
    assert thing().state is State.NOT_CONFIRMED, "no model could be asked"


def test_where_it_stands_in_words() -> None:
    assert where(MARK) == "4 × 6 pixels in pictures of 32, at any place"
    fixed = replace(MARK, corner=(1, 2))
    assert where(fixed).endswith(", 1 from the top and 2 from the left"), "one picture shows it"
    assert where(replace(fixed, sources=("a", "b"))).endswith(
        "always 1 from the top and 2 from the left"
    )
    wide = replace(MARK, rgba=None, filter={"kind": "blur", "radius": 0.02})
    assert where(wide) == "the whole picture: blur, radius 0.02"
