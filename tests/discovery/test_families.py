"""Proposals about the same thing are one family, which is kept as it is and ranked by what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from field_values import field_values
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from marked_pictures import CLASSES, SIDE, mark, noise

from shortcut_audit.discovery.families.family import Family, Rate, decoy_of
from shortcut_audit.discovery.families.kept import as_arrays, from_arrays
from shortcut_audit.discovery.families.merging import merged, same
from shortcut_audit.discovery.families.ranking import ranked
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.hosts import hosts_of, log_odds
from shortcut_audit.discovery.parts import halves
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.files.store import Store

PARTS = halves(noise(40))
MARK = mark().permute(1, 2, 0).numpy()
OTHER = np.random.default_rng(8).integers(0, 256, (9, 9, 3), np.uint8)
BLUR = {"kind": "blur", "radius": 0.02}


def cut_out(
    look: np.ndarray,
    target: str = "left",
    recurs: int = 3,
    corner: tuple[int, int] | None = None,
    proposer: str = "one",
) -> Proposal:
    """One crop of the look, which so many pictures show."""
    sources = tuple(f"{target}/{i}" for i in range(recurs))
    whole = np.ones(look.shape[:2], bool)
    return Proposal(
        proposer,
        target,
        1.0,
        f"{proposer} saw it",
        look[None],
        whole,
        corner,
        SIDE,
        None,
        "m",
        sources,
    )


def softened(target: str = "left", recurs: int = 3, **options: Any) -> Proposal:
    sources = tuple(f"{target}/{i}" for i in range(recurs))
    return Proposal(
        "traces", target, 1.0, "soft", side=SIDE, filter={**BLUR, **options}, sources=sources
    )


def families(*proposals: Proposal, most: int = 5) -> list[Family]:
    return merged(proposals, PARTS.search, most)


def test_two_cut_outs_of_one_mark_are_one_family_of_the_one_that_recurs_more() -> None:
    larger = np.pad(MARK, ((2, 1), (1, 3), (0, 0)), constant_values=120)
    (found,) = families(
        cut_out(MARK, recurs=4), cut_out(larger, recurs=7, proposer="two"), cut_out(MARK, recurs=2)
    )
    assert (found.recurs, found.words, found.proposers) == (7, "two saw it", ("two", "one"))
    assert found.rgba is not None
    assert found.rgba.shape == (12, 13, 4)
    assert (found.target, found.side, found.model, found.corner) == ("left", SIDE, "m", None)


def test_what_only_resembles_the_others_does_not_recur() -> None:
    rng = np.random.default_rng(2)
    unlike = rng.integers(0, 256, (8, 9, 9, 3), np.uint8)
    (found,) = families(replace(cut_out(MARK, recurs=8), crops=unlike))
    assert found.recurs == 1
    alike = np.repeat(MARK[None], 8, 0)
    (found,) = families(replace(cut_out(MARK, recurs=8), crops=alike))
    assert found.recurs == 8


def test_two_marks_or_two_classes_are_never_one_family() -> None:
    assert len(families(cut_out(MARK), cut_out(OTHER))) == 2
    found = families(cut_out(MARK), cut_out(MARK, "right"), cut_out(MARK, "third"))
    assert [each.target for each in found] == list(CLASSES)


def test_marks_of_one_place_are_the_same_where_they_lie_upon_each_other() -> None:
    at = {corner: families(cut_out(MARK, corner=corner))[0] for corner in [(0, 0), (3, 3), (9, 0)]}
    assert same(at[0, 0], at[3, 3]) is False, "four ninths of it"
    assert same(at[0, 0], families(cut_out(OTHER, corner=(2, 2)))[0]), "whatever they look like"
    assert not same(at[0, 0], at[9, 0])
    assert same(at[0, 0], families(cut_out(MARK))[0]), "one of them is anywhere: they look alike"


def test_a_frame_is_not_what_it_surrounds() -> None:
    frame = np.zeros((SIDE, SIDE), bool)
    frame[:3] = frame[-3:] = frame[:, :3] = frame[:, -3:] = True
    around = replace(cut_out(np.full((SIDE, SIDE, 3), 200, np.uint8), corner=(0, 0)), region=frame)
    (outer,), (inner,) = families(around), families(cut_out(MARK, corner=(10, 10)))
    assert not same(outer, inner)
    assert same(outer, families(cut_out(MARK, corner=(0, 0)))[0]), "45 of its 81 pixels"


def test_places_are_compared_across_sizes_of_pictures() -> None:
    small = families(cut_out(MARK, corner=(10, 10)))[0]
    large = replace(small, side=2 * SIDE)
    assert not same(small, large), "the same pixels are another place in a larger picture"
    assert small.rgba is not None
    twice = small.rgba.repeat(2, 0).repeat(2, 1)
    assert same(small, replace(large, rgba=twice, corner=(20, 20)))


def test_filters_are_the_same_where_their_options_are() -> None:
    assert len(families(softened(), softened(), softened(radius=0.04))) == 2
    assert len(families(softened(), cut_out(MARK), softened("right"))) == 3


def test_so_many_of_each_class_those_that_recur_most() -> None:
    rng = np.random.default_rng(1)
    looks = [rng.integers(0, 256, (8, 8, 3), np.uint8) for _ in range(6)]
    proposals = [cut_out(look, recurs=i + 1) for i, look in enumerate(looks)]
    found = families(*proposals, cut_out(MARK, "third", 1), softened("right"), most=2)
    assert [(each.target, each.recurs) for each in found] == [
        ("left", 6),
        ("left", 5),
        ("right", 3),
        ("third", 1),
    ]
    assert families() == []


@settings(max_examples=20)
@given(st.permutations(range(8)))
def test_the_order_of_proposals_decides_ties_alone(order: list[int]) -> None:
    looks = [MARK, OTHER, MARK, OTHER[:7], MARK[1:], OTHER, MARK, MARK[:, 2:]]
    proposals = [
        cut_out(look, CLASSES[i // 4], recurs=i + 1, proposer=f"p{i}")
        for i, look in enumerate(looks)
    ]
    found = families(*(proposals[i] for i in order))
    assert [field_values(each) for each in found] == [
        field_values(each) for each in families(*proposals)
    ]
    assert len(found) == 4


TEXT = st.text(max_size=8)
SHARES = st.floats(0, 1)
RATES = st.dictionaries(TEXT, st.builds(Rate, SHARES, SHARES), max_size=3)
KEPT = st.builds(
    Family,
    TEXT,
    st.lists(TEXT, min_size=1, max_size=3).map(tuple),
    TEXT,
    st.integers(1, 300),
    rgba=st.none() | arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(1, 4), st.just(4))),
    corner=st.none() | st.tuples(st.integers(0, 9), st.integers(0, 9)),
    filter=st.none() | st.dictionaries(TEXT, st.floats(0, 9) | TEXT | st.lists(st.integers())),
    sources=st.lists(TEXT, max_size=3).map(tuple),
    rates=RATES,
    n=st.integers(0, 99),
    model=TEXT,
)


@settings(max_examples=50)
@given(st.lists(KEPT, max_size=3))
def test_what_is_kept_is_given_back(given_ones: list[Family]) -> None:
    found = from_arrays(as_arrays(given_ones))
    assert [field_values(each) for each in found] == [field_values(each) for each in given_ones]


def test_it_is_given_back_from_the_disk_as_well(tmp_path: Any) -> None:
    given_ones = [
        families(cut_out(MARK))[0],
        families(softened())[0],
        *families(cut_out(OTHER, recurs=0)),
    ]
    for _ in range(2):
        kept = Store(tmp_path).arrays("discovery", {}, lambda: as_arrays(given_ones))
        assert [field_values(each) for each in from_arrays(kept)] == [
            field_values(each) for each in given_ones
        ]
    assert from_arrays(as_arrays([])) == ()


def test_it_is_the_decoy_that_its_picture_or_its_options_say() -> None:
    pixels = torch.zeros((2, 3, SIDE, SIDE), dtype=torch.uint8)
    shown = decoy_of(families(cut_out(MARK, corner=(4, 6)))[0]).apply(pixels, ["a", "b"])
    assert torch.equal(shown.decoyed[0, :, 4:13, 6:15], mark())
    soft = decoy_of(families(softened())[0])
    assert (soft.target, getattr(soft, "radius", None)) == ("left", 0.02)
    with pytest.raises(UsageError, match="no decoy called 'blurr'; did you mean 'blur'"):
        decoy_of(families(softened(kind="blurr"))[0])


def sees(rule: Callable[[np.ndarray], np.ndarray]) -> Callable[[torch.Tensor], np.ndarray]:
    """Logits for the first class where the rule holds, else for the second; and of a fourth class,
    which the model alone knows.
    """

    def logits(pixels: torch.Tensor) -> np.ndarray:
        left = rule(pixels.permute(0, 2, 3, 1).numpy().astype(int)).astype(int)
        return np.stack([left, 1 - left, 0 * left, 0 * left - 1], 1)

    return logits


MODELS = {
    "bright": sees(lambda seen: ((seen[..., 0] > 225) & (seen[..., 1] < 10)).sum((1, 2)) > 3),
    "always": sees(lambda seen: np.ones(len(seen), bool)),
    "never": sees(lambda seen: np.zeros(len(seen), bool)),
}


def search(model: str, *peers: str) -> Ground:
    answers = SimpleNamespace(answered=lambda name, pixels: MODELS[name](pixels))
    return Ground(PARTS, (0, 1, 2), cast(Answers, answers), model, peers)


def test_rates_are_those_of_a_plain_loop() -> None:
    given_ones = families(cut_out(MARK), softened(), softened("right"))
    found = ranked(given_ones, search("bright", "never"), 10)
    for each in found:
        target = CLASSES.index(each.target)
        at = hosts_of(PARTS.rank, target, 10)
        assert (PARTS.rank.labels[at] != target).all()
        assert each.n == len(at) == 10
        decoy = decoy_of(each)
        for model, rate in each.rates.items():
            turned, control = 0, 0
            for i in at:
                placed = decoy.apply(PARTS.rank.pixels[i : i + 1], [PARTS.rank.ids[i]])
                turned += int(MODELS[model](placed.decoyed).argmax() == target)
                control += int(MODELS[model](placed.control).argmax() == target)
            assert rate == Rate(turned / 10, control / 10)
    assert (found[0].target, found[0].rgba is None) == ("left", False)
    assert found[0].own > 0.5


def test_what_a_peer_does_as_well_is_taken_off() -> None:
    (alone,) = ranked(families(cut_out(MARK)), search("bright"), 10)
    (excused,) = ranked(families(cut_out(MARK)), search("bright", "never", "bright"), 10)
    assert alone.beyond == alone.own > 0.5
    assert not alone.compared
    (shared,) = ranked(families(cut_out(MARK)), search("bright", "always"), 10)
    assert shared.peers == 0, "always the class, under the control as well"
    assert shared.compared
    assert excused.peers == 0, "the model itself is no peer of its own"


def test_a_peer_on_which_it_does_less_than_its_control_adds_nothing() -> None:
    rates = {"m": Rate(0.6, 0.1), "a": Rate(0.1, 0.3), "b": Rate(0.3, 0.1)}
    family = replace(families(cut_out(MARK))[0], rates=rates, model="m")
    assert family.own == pytest.approx(0.5)
    assert family.peers == pytest.approx(0.2)
    assert family.beyond == pytest.approx(0.3)
    less = replace(family, rates={"m": rates["m"], "a": rates["a"]})
    assert (less.peers, less.beyond) == (0, less.own)


@settings(max_examples=6)
@given(st.permutations(range(4)))
def test_the_worst_come_first_whatever_the_order(order: list[int]) -> None:
    dark = np.full((6, 6, 3), 20, np.uint8)
    given_ones = families(
        cut_out(MARK), cut_out(dark, recurs=2), softened("right"), softened("third")
    )
    found = ranked([given_ones[i] for i in order], search("bright", "never"), 12)
    beyond = [each.beyond for each in found]
    assert beyond == sorted(beyond, reverse=True)
    assert found[0].rgba is not None
    assert found[0].rgba.shape == (9, 9, 4)


def test_fewer_pictures_than_asked_for_are_counted_as_they_are() -> None:
    (found,) = ranked(families(cut_out(MARK)), search("bright"), 1000)
    assert found.n == (PARTS.rank.labels != 0).sum() == 40


def test_progress_grows_to_the_whole() -> None:
    steps: list[tuple[int, int]] = []
    ranked(families(cut_out(MARK)), search("bright", "never"), 5, lambda *step: steps.append(step))
    assert steps == [(1, 2), (2, 2)]
    assert ranked([], search("bright"), 5) == []


@given(st.integers(1, 60), st.integers(0, 2))
def test_hosts_are_of_other_classes_and_the_same_each_time(count: int, target: int) -> None:
    at, more = hosts_of(PARTS.rank, target, count), hosts_of(PARTS.rank, target, count + 7)
    assert (PARTS.rank.labels[at] != target).all()
    assert len(set(at.tolist())) == len(at) == min(count, 40)
    assert (np.diff(at) > 0).all()
    assert set(at.tolist()) <= set(more.tolist())


@settings(max_examples=30)
@given(arrays(np.float32, (3, 5), elements=st.floats(-50, 50, width=32)), st.integers(0, 4))
def test_log_odds_are_of_the_softmax(logits: np.ndarray, target: int) -> None:
    exact = np.exp(logits.astype(float))
    rest = np.delete(exact, target, 1).sum(1)
    assert log_odds(logits, target) == pytest.approx(np.log(exact[:, target] / rest), abs=1e-4)
