"""How far long work is: what was told is counted once, whichever process told it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.progress import Ahead, Notes, Unit, Watch, heard, span

MASKS = [Unit("masks", f"F{i}", "stop_sign") for i in range(4)]
CHECK = Unit("explainer_check", "F0", "stop_sign")


class Told:
    """A listener that keeps everything, without the times."""

    def __init__(self) -> None:
        self.all: list[tuple[object, ...]] = []

    def planned(self, units):
        self.all.append(("planned", *sorted(units)))

    def at(self, unit, done, total):
        self.all.append(("at", unit, done, total))

    def ended(self, unit, seconds, computed):
        self.all.append(("ended", unit, seconds, computed))


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when it is told to."""
    now = [0.0]
    monkeypatch.setattr("shortcut_audit.progress.time.monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


def test_a_unit_within_another_has_its_own_time_and_each_ends_once(clock):
    told = Told()
    watch = Watch(told)
    for done in (3, None):
        with watch.over(MASKS[0]):
            clock(1)
            with watch.over(CHECK):
                clock(5)
                if done:
                    watch.at("in words", done, 4)
            clock(2)
    assert told.all == [
        ("at", MASKS[0], 0, 1),
        ("at", CHECK, 0, 1),
        ("at", CHECK, 3, 4),
        ("ended", CHECK, 5, True),
        ("ended", MASKS[0], 3, False),
    ]


def test_a_unit_that_fails_has_ended_and_what_is_no_units_is_said_in_its_own_words(clock):
    told = Told()
    watch = Watch(told)
    with pytest.raises(ValueError, match="broken"), watch.over(CHECK):
        raise ValueError("broken")
    watch.at("predictions of F0", 1, 2)
    assert told.all[1:] == [
        ("ended", CHECK, 0, False),
        ("at", Unit("predictions of F0"), 1, 2),
    ]


def test_the_time_left_is_known_as_soon_as_one_of_each_kind_was_timed():
    ahead = Ahead()
    ahead.planned([*MASKS, CHECK])
    assert ahead.left() is None
    ahead.ended(MASKS[0], 100, computed=True)
    assert ahead.left() == (300, False)
    ahead.at(MASKS[1], 1, 4)
    assert ahead.text() == "over 5 min left; masks 2 of 4: F1 with stop_sign, 25 %"
    ahead.ended(CHECK, 0.1, computed=False)
    assert ahead.left() == (300, True), "kept: another one would cost nothing either"
    ahead.processes = 2
    assert ahead.text() == "about 2 min left; masks 2 of 4: F1 with stop_sign, 25 %"
    ahead.ended(MASKS[0], 20, computed=True)
    assert ahead.left() == (90, True), "another process waited for the same: 3 of 60 s"
    assert ahead.took() == "masks 2 min, explainer check 0 s"


def test_what_is_short_or_unknown_is_not_announced():
    ahead = Ahead()
    ahead.at(Unit("predictions of F0"), 1, 0)
    assert ahead.text() == "predictions of F0, 100 %"
    ahead.planned([*MASKS, CHECK])
    ahead.ended(CHECK, 1, computed=True)
    ahead.at(MASKS[0], 0, 1)
    assert ahead.text() == "masks 1 of 4: F0 with stop_sign, 0 %"


def test_what_nobody_planned_counts_from_when_it_is_met():
    ahead = Ahead()
    for unit in MASKS[:2]:
        ahead.at(unit, 1, 2)
        ahead.ended(unit, 1, computed=True)
    ahead.at(MASKS[0], 1, 2)
    assert ahead.text() == "about 0 s left; masks 2 of 2: F0 with stop_sign, 50 %"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.4, "59 s"), (60, "1 min"), (3540, "59 min"), (7500, "2 h 5 min")],
)
def test_a_span_has_the_unit_that_fits(seconds, words):
    assert span(seconds) == words


def test_no_span_has_sixty_of_anything():
    said = {word for tenth in range(0, 80_000, 5) for word in span(tenth / 10).split(" ")}
    assert "60" not in said


UNITS = st.builds(Unit, st.sampled_from(["masks", "influence"]), st.text(max_size=4), st.just("d"))
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("planned"), st.lists(UNITS, unique=True)),
        st.tuples(st.just("at"), UNITS, st.integers(0, 9), st.integers(1, 9)),
        st.tuples(st.just("ended"), UNITS, st.floats(0, 100), st.booleans()),
    )
)


@given(EVENTS, st.lists(st.integers(0, 2000), max_size=4))
def test_what_was_noted_is_heard_once_and_in_order_however_often_one_listens(
    tmp_path_factory, events, cuts
):
    file = tmp_path_factory.mktemp("notes") / "below" / "gw0.jsonl"
    notes, direct, listening = Notes(file), Told(), Told()
    assert heard(file, 0, listening) == 0, "it is not there yet"
    for name, *said in events:
        notes._last = float("-inf")
        getattr(notes, name)(*said)
        getattr(direct, name)(*said)
    whole = file.read_bytes() if events else b""
    at = 0
    for cut in [*sorted(cuts), len(whole)]:
        part = file.parents[1] / "part"
        part.write_bytes(whole[:cut])
        at = heard(part, at, listening)
    assert listening.all == direct.all


class Raising:
    """A listener whose terminal is gone, or does not know a letter."""

    def _raise(self, *_):
        raise UnicodeEncodeError("ascii", "è", 0, 1, "not in range")

    planned = at = ended = _raise


def test_what_a_listener_raises_never_reaches_the_work(tmp_path):
    watch = Watch(Raising())
    with watch.over(CHECK):
        watch.at("masks", 1, 2)
    watch.at("masks", 2, 2)
    with pytest.raises(ZeroDivisionError), watch.over(MASKS[0]):
        1 / 0  # noqa: B018 - the work's own trouble does
    notes = Notes(tmp_path / "gw0.jsonl")
    notes.ended(CHECK, 1, computed=True)
    assert heard(notes.file, 0, Raising()) == len(notes.file.read_bytes())


def test_how_far_one_unit_is_is_noted_once_in_a_second(tmp_path, clock):
    notes = Notes(tmp_path / "gw0.jsonl")
    clock(10)
    for _ in range(30):
        clock(0.1)
        notes.at(CHECK, 1, 2)
    assert len(notes.file.read_text().splitlines()) == 3


def test_a_torn_line_and_a_file_that_cannot_be_are_passed_over(tmp_path):
    file, told = tmp_path / "gw0.jsonl", Told()
    line = json.dumps(["ended", CHECK, 1, True])
    file.write_text(f'["at", ["mas{line}\n{line}\n["at"')
    assert heard(file, 0, told) == len(file.read_bytes()) - 5
    assert told.all == [("ended", CHECK, 1, True)]
    Notes(file / "below").ended(CHECK, 1, computed=True)
