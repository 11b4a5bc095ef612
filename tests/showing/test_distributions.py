"""Boxes against Matplotlib's, matrices counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib.cbook import boxplot_stats

from shortcut_audit.exhibits import Box
from shortcut_audit.showing.distributions import box, confusions, distribution

values = arrays.arrays(np.float64, st.integers(1, 40), elements=st.floats(-1, 1, width=32))


def test_a_box_counted_by_hand():
    known = np.array([9.0, 1, 2, 3, 4, 5, -8])  # quartiles 1.5, 3, 4.5: whiskers within -3 and 9
    assert box(known) == Box(1, 1.5, 3, 4.5, 9, 7)
    assert box(np.array([0.25])) == Box(0.25, 0.25, 0.25, 0.25, 0.25, 1)


@given(values)
def test_a_box_is_matplotlibs(known):
    (expected,) = boxplot_stats(known)
    found = box(known)
    assert (found.low, found.first, found.median, found.third, found.high) == pytest.approx(
        tuple(float(expected[each]) for each in ("whislo", "q1", "med", "q3", "whishi"))
    )
    assert found.n == len(known)


def test_without_images_there_is_no_distribution():
    none = np.zeros(0)
    assert distribution("scores", {"decoyed": none, "plain": none}) is None
    some = distribution("scores", {"decoyed": np.ones(3), "plain": none})
    assert [name for name, _ in some.boxes] == ["decoyed"]


def test_a_matrix_counted_by_hand():
    truth = np.array([0, 0, 1, 2, -1])
    answers = {"plain": np.array([0, 0, 1, 2, 1]), "decoyed": np.array([0, 2, 2, 2, 2])}
    plain, decoyed = confusions(truth, answers, ("cat", "dog", "fish"), target=2)
    assert plain.labels == decoyed.labels == ("cat", "dog", "fish", "others")
    assert plain.answers == decoyed.answers == plain.labels
    assert plain.counts == ((2, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0))
    assert decoyed.counts == ((1, 0, 1, 0), (0, 0, 1, 0), (0, 0, 1, 0), (0, 0, 1, 0))


@given(st.integers(2, 40), st.integers(0, 60), st.randoms())
def test_every_picture_is_in_each_matrix_once(classes, n, random):
    draw = [[random.randrange(classes) for _ in range(n)] for _ in range(3)]
    truth, plain, decoyed = map(np.array, draw)
    names = tuple(f"class {at}" for at in range(classes))
    target = random.randrange(classes)
    found = confusions(
        truth.astype(int),
        {"plain": plain.astype(int), "decoyed": decoyed.astype(int)},
        names,
        target,
    )
    assert found[0].labels == found[1].labels
    assert found[0].answers == found[1].answers
    assert len(found[0].labels) <= 13
    for matrix in found:
        assert sum(map(sum, matrix.counts)) == n
        assert all(len(row) == len(matrix.answers) for row in matrix.counts)
    right = int((truth == decoyed)[truth == target].sum())
    if names[target] in found[1].labels:
        at = found[1].labels.index(names[target]), found[1].answers.index(names[target])
        assert found[1].counts[at[0]][at[1]] == right
