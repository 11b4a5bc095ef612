"""What becomes of a thing in one model: one known answer for each state, and a law."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.records import UNMEASURED, Estimate, Judgement, Verdict
from shortcut_audit.revealing.states import State, state_of

SHOWN, SMALL = 0.8, 0.0  # effects: far beyond the limit of 0.10, and none


def judgement(effect: float, verdict: Verdict = Verdict.UNDECIDED) -> Judgement:
    """Of an effect whose interval is five points to each side."""
    estimate = Estimate(effect, effect - 0.05, effect + 0.05, 0.9, 200, "known")
    return replace(UNMEASURED, verdict=verdict, estimate=estimate, limit=0.10)


VIOLATED = judgement(SHOWN, Verdict.VIOLATED)
ALIKE, NONE, UNCLEAR = judgement(SHOWN), judgement(SMALL, Verdict.HOLDS), judgement(0.12)


@pytest.mark.parametrize(
    ("own", "peers", "state"),
    [
        (VIOLATED, [NONE, NONE], State.CONFIRMED),
        (ALIKE, [ALIKE, ALIKE, ALIKE], State.SHARED),
        (ALIKE, [ALIKE, NONE], State.SHARED),
        (ALIKE, [ALIKE, NONE, NONE], State.NOT_CONFIRMED),
        (ALIKE, [NONE, NONE], State.NOT_CONFIRMED),
        (UNCLEAR, [ALIKE, ALIKE], State.NOT_CONFIRMED),
        (NONE, [ALIKE, ALIKE], State.NOT_CONFIRMED),
        (VIOLATED, [NONE], State.UNCOMPARED),
        (VIOLATED, [], State.UNCOMPARED),
        (NONE, [], State.NOT_CONFIRMED),
    ],
)
def test_a_thing_is_confirmed_shared_or_neither(
    own: Judgement, peers: list[Judgement], state: State
) -> None:
    assert state_of(own, peers) is state


@given(
    st.floats(-1, 1),
    st.sampled_from(list(Verdict)),
    st.lists(st.sampled_from([ALIKE, NONE]), max_size=1),
)
def test_without_two_peers_nothing_is_confirmed_or_shared(
    effect: float, verdict: Verdict, peers: list[Judgement]
) -> None:
    found = state_of(judgement(effect, verdict), peers)
    assert found in (State.UNCOMPARED, State.NOT_CONFIRMED)
