"""Which pictures are shown, and in which order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shortcut_audit.observations import Influence
from shortcut_audit.showing.predicted import worst_first
from shortcut_audit.showing.spoke import said, typical_queries


def test_what_is_turned_comes_first_and_by_how_far_it_shifts():
    turned = np.array([True, False, True, True])
    shift = np.array([0.5, 1.0, 0.9, 0.7])
    assert worst_first(turned, shift, np.ones(4, bool), ["a", "b", "c", "d"]) == [2, 3, 0]


def test_among_equals_those_go_first_whose_answer_the_control_leaves():
    turned, steady = np.ones(4, bool), np.array([False, True, False, True])
    shift = np.array([0.999, 0.998, 1.0, 0.5])  # three are 100 points in whole points
    found = worst_first(turned, shift, steady, list("abcd"))
    assert (found[0], found[3], set(found)) == (1, 3, {0, 1, 2, 3})


def test_where_none_is_turned_the_few_that_shift_furthest_are_shown():
    shift = np.array([0.1, 0.5, -0.2, 0.3, 0.2, 0.4])
    assert worst_first(np.zeros(6, bool), shift, np.ones(6, bool), list("abcdef")) == [1, 5, 3, 4]


def test_of_many_the_six_worst_are_shown_and_six_others():
    shift = np.linspace(1, 0.5, 51)
    ids = [f"{at}" for at in range(51)]
    found = worst_first(np.ones(51, bool), shift, np.ones(51, bool), ids)
    assert found[:6] == [0, 1, 2, 3, 4, 5]
    assert len(set(found)) == 12
    assert found == sorted(found)
    assert max(found) > 12  # a sample, not the next six


pictures_of_a_scene = st.lists(
    st.tuples(st.booleans(), st.floats(-1, 1), st.booleans()), min_size=1, max_size=40
)


@given(pictures_of_a_scene, st.randoms())
def test_the_choice_depends_on_the_pictures_and_not_on_their_order(pictures, random):
    order = random.sample(range(len(pictures)), len(pictures))
    ids = [f"picture {at}" for at in range(len(pictures))]

    def chosen(places):
        turned = np.array([pictures[at][0] for at in places])
        shift = np.array([pictures[at][1] for at in places])
        steady = np.array([pictures[at][2] for at in places])
        named = [ids[at] for at in places]
        return [named[i] for i in worst_first(turned, shift, steady, named)]

    assert chosen(order) == chosen(range(len(pictures)))


def influence(scores, right):
    """Of four training pictures the first two carry the decoy."""
    known = np.array(scores, dtype=np.float32)
    flags = np.arange(known.shape[1]) < 2
    told, groups = np.array(right), np.arange(len(known))
    return Influence(known, known, flags, told, told, "by hand", groups)


def test_a_typical_query_is_shown_and_not_the_worst(monkeypatch):
    monkeypatch.setattr("shortcut_audit.showing.spoke.SPEAKERS", 2)
    both, one, none = [9, 8, 1, 0], [9, 1, 8, 0], [0, 1, 8, 9]
    assert typical_queries(influence([both, one, none, one], [True] * 4)) == [1, 3]
    assert typical_queries(influence([both, none, one, one], [False, True, True, False])) == [2, 1]
    assert typical_queries(influence([none, both], [False, False])) == [1, 0]
    assert typical_queries(influence(np.zeros((0, 4)), np.zeros(0, bool))) == []


def test_the_most_influential_are_named_with_what_they_carry():
    told, places = said(influence([[0.25, 1, 8, 1]], [True]), 0, "query", ["a", "b", "c", "d"])
    assert places == [2, 1, 3, 0]
    assert [(each.id, each.score, each.carries) for each in told.images] == [
        ("c", 8, False),
        ("b", 1, True),
        ("d", 1, False),
        ("a", 0.25, True),
    ]
    assert (told.query, told.among, told.carriers, told.basis) == ("query", 4, 2, "by hand")
