"""The worst group: its known answers, and that a small group's luck is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest

from shortcut_audit.errors import UsageError
from shortcut_audit.judging import worst_group
from shortcut_audit.judging.intervals import clopper_pearson


def test_the_group_that_fares_worst_is_named() -> None:
    membership = np.repeat([10, 20, 30], [300, 300, 200])
    values = np.concatenate([np.arange(300) < 290, np.arange(300) < 280, np.arange(200) < 100])
    which, found = worst_group(values, membership)
    assert (which, found.value, found.n, found.level) == (30, 0.5, 200, 0.9)
    assert (found.low, found.high) == pytest.approx(clopper_pearson(100, 200, 1 - 0.1 / 3))
    assert found.method == "Clopper-Pearson, Bonferroni over groups"


def test_one_group_has_its_own_interval() -> None:
    which, found = worst_group(np.arange(50) < 40, np.full(50, 3))
    assert which == 3
    assert (found.low, found.high) == pytest.approx(clopper_pearson(40, 50, 0.9))


def test_three_images_that_are_all_right_do_not_hide_that_nothing_is_known_of_their_group() -> None:
    values, membership = np.append(np.arange(400) < 380, [1, 1, 1]), np.repeat([0, 1], [400, 3])
    which, found = worst_group(values, membership)
    assert which == 0
    assert found.low == pytest.approx(clopper_pearson(3, 3, 0.95)[0])
    assert found.high == pytest.approx(clopper_pearson(380, 400, 0.95)[1])


def test_two_unlucky_images_do_not_prove_a_group_bad() -> None:
    values, membership = np.append(np.ones(400), [0, 1]), np.repeat([0, 1], [400, 2])
    which, found = worst_group(values, membership)
    assert (which, found.value, found.n) == (1, 0.5, 2)
    assert found.high > 0.95


def test_undefined_images_drop_and_a_group_of_none_other_is_left_out() -> None:
    values = np.array([1.0, 0.0, np.nan, np.nan, 1.0])
    which, found = worst_group(values, np.array([1, 1, 1, 2, 3]))
    assert (which, found.n) == (1, 2)


def test_patients_make_it_less_sure() -> None:
    membership, patients = np.repeat([0, 1], 100), np.repeat(np.arange(20), 10)
    values = patients % 10 > 0  # of ten patients each, one is wrong on every image
    alone, known = (
        worst_group(values, membership)[1],
        worst_group(values, membership, groups=patients)[1],
    )
    assert known.low < alone.low < alone.high < known.high
    assert known.method == "t over 10 groups, corrected for skewness, Bonferroni over groups"


def test_the_worst_mean_is_inside_as_often_as_promised() -> None:
    """Eight groups of 4 to 60 images, 1,000 runs: the luck of the smallest is accounted for."""
    sizes = np.array([4, 6, 8, 10, 20, 30, 40, 60])
    membership, rng = np.repeat(np.arange(8), sizes), np.random.default_rng(1)
    rates = np.array([0.9, 0.9, 0.9, 0.9, 0.9, 0.85, 0.8, 0.9])
    missed, smallest = np.zeros(2), 0
    for _ in range(300):
        which, found = worst_group(rng.random(178) < rates[membership], membership)
        missed += (found.low > 0.8, found.high < 0.8)
        smallest += which < 4
    assert (missed / 300 <= 0.06).all()
    assert smallest > 100, "by its mean alone the worst would often be a small group"


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(UsageError, match=r"shape \(3,\) and \(2,\)"):
        worst_group(np.ones(3), np.zeros(2, int))
    with pytest.raises(UsageError, match="no image with a known value: are the labels read"):
        worst_group(np.full(3, np.nan), np.zeros(3, int))
