"""Chance is what answers in another order would give, exchanged classes are called so, and a
handful of images shows nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.proportion import proportion_confint

from shortcut_audit.judging.competence import SURE, competence, read_better

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(5), 40)


def answers(right: float, labels: np.ndarray = LABELS, seed: int = 0) -> np.ndarray:
    """Right on this share, any other class elsewhere."""
    rng = np.random.default_rng(seed)
    wrong = (labels + rng.integers(1, 5, len(labels))) % 5
    return np.where(rng.random(len(labels)) < right, labels, wrong)


def test_an_honest_model_is_above_chance():
    found = competence(LABELS, answers(0.6))
    assert found.p < SURE
    assert found.exchanged == ()
    assert found.needed is None, "it is shown already"
    assert found.chance == pytest.approx(0.2, abs=0.01)
    low, high = proportion_confint(found.correct, found.n, alpha=0.10, method="beta")
    assert (found.low, found.high) == pytest.approx((low, high))


@pytest.mark.parametrize("constant", range(5))
def test_a_model_that_always_says_the_same_is_at_chance_however_often_that_is_right(constant):
    labels = np.concatenate([np.full(950, constant), np.repeat(np.arange(5), 10)])
    found = competence(labels, np.full(len(labels), constant))
    assert found.accuracy > 0.9
    assert found.p > 0.4
    assert found.needed is None


def test_random_answers_are_shown_to_be_better_than_chance_once_in_a_thousand_times():
    called = 0
    for seed in range(2000):
        rng = np.random.default_rng(seed)
        called += competence(LABELS, rng.integers(0, 5, len(LABELS))).p < SURE
    assert called <= 8  # 2 are expected; more than 8 happen once in 4,000 times


def test_p_is_that_of_answers_in_another_order():
    """Against 20,000 orders of the same answers: the binomial is close to it, and never says less
    than half of it.
    """
    found = competence(LABELS, answers(0.28, seed=3))
    said = answers(0.28, seed=3)
    orders = np.array([(RNG.permutation(said) == LABELS).sum() for _ in range(20_000)])
    assert found.p == pytest.approx((orders >= found.correct).mean(), rel=0.5)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_above_chance_is_a_kappa_above_zero(pairs):
    labels, said = (np.array(each) for each in zip(*pairs, strict=True))
    found = competence(labels, said)
    if found.chance < 1:
        kappa = (found.accuracy - found.chance) / (1 - found.chance)
        assert kappa == pytest.approx(cohen_kappa_score(labels, said))
    if found.p < 0.4:
        assert found.accuracy > found.chance


@pytest.mark.parametrize("order", [(1, 0, 2, 3, 4), (1, 2, 0, 3, 4), (4, 3, 2, 1, 0)])
def test_classes_in_another_order_are_called_so(order):
    said = np.array(order)[answers(0.8)]
    found = competence(LABELS, said)
    moved = tuple((at, to) for at, to in enumerate(order) if at != to)
    assert found.exchanged == moved


@pytest.mark.parametrize("right", [0.2, 0.4, 0.6, 0.95])
def test_a_weak_model_is_not_told_that_its_classes_are_in_another_order(right):
    called = [competence(LABELS, answers(right, seed=seed)).exchanged for seed in range(200)]
    # at chance any order is as good
    assert sum(bool(each) for each in called) <= (6 if right == 0.2 else 0)


def test_too_few_images_say_how_many_would_do():
    labels = np.array([0, 0, 1, 1, 2])
    found = competence(labels, labels)
    assert found.p >= SURE
    assert found.needed is not None
    assert found.chance == pytest.approx(0.36)
    assert found.needed == 7, "six of six are right by chance 2 times in a thousand"
    more = np.repeat(np.arange(3), -(-found.needed // 3))
    assert competence(more, more).p < SURE


def test_no_image_is_no_answer():
    found = competence(np.zeros(0, int), np.zeros(0, int))
    assert found.p == 1.0
    assert (found.correct, found.n, found.low, found.high) == (0, 0, 0.0, 1.0)
    assert np.isnan([found.accuracy, found.chance]).all()
    assert (found.exchanged, found.needed) == ((), None)


RIGHT = np.arange(200) < 80  # 40 % as they are read


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ({"b": np.arange(200) < 120}, ("b", 0.4, 0.6)),
        (
            {"a": np.arange(200) < 110, "b": np.arange(200) < 120, "c": np.zeros(200)},
            ("b", 0.4, 0.6),
        ),
        ({"b": np.arange(200) < 86}, None),  # three points: a margin is wanted
        # ten pictures show nothing
        ({"b": np.where(np.arange(200) < 10, np.arange(200) < 6, np.nan)}, None),
        # eight points more at twice the size are no other reading
        ({"larger": np.arange(200) < 96}, None),
        ({"larger": np.arange(200) < 110}, ("larger", 0.4, 0.55)),
        ({}, None),
    ],
)
def test_another_reading_is_better_where_it_is_shown_to_be(others, expected):
    found = read_better(
        RIGHT, {words: each.astype(float) for words, each in others.items()}, larger="larger"
    )
    assert found == expected


@pytest.mark.parametrize(("gained", "lost", "better"), [(9, 2, True), (8, 2, False)])
def test_another_reading_is_tested_by_exact_mcnemar(gained, lost, better):
    """Of 40 pictures, by a wide margin: p is 67 of 2,048 (0.033), and 56 of 1,024 (0.055)."""
    as_read, other = np.ones(40, bool), np.ones(40)
    as_read[:gained] = False
    other[-lost:] = 0.0
    p = stats.binomtest(gained, gained + lost, alternative="greater").pvalue
    found = read_better(as_read, {"b": other})
    assert (found is not None) == (p < 0.05) == better
    assert read_better(as_read, {"b": other, "c": np.full(40, np.nan)}) is None, (
        "two readings are two tests"
    )


def test_equally_good_readings_are_seldom_taken_for_better():
    """Eight readings that are as good as the first: the margin and the correction keep the manifest
    out of doubt.
    """
    called = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        right = rng.random((9, 300)) < 0.6
        called += (
            read_better(right[0], {str(at): right[at].astype(float) for at in range(1, 9)})
            is not None
        )
    assert called <= 20  # 5 % at most


def test_pictures_of_few_patients_show_less() -> None:
    """Right on 60 of 120 pictures with four classes, which are all those of six of 12 patients."""
    labels, patients = np.tile(np.arange(4), 30), np.repeat(np.arange(12), 10)
    answers = np.where(patients < 6, labels, (labels + 1) % 4)
    alone, known = competence(labels, answers), competence(labels, answers, patients)
    assert alone.p < SURE < known.p
    assert known.low < alone.low < alone.high < known.high
    assert known.accuracy == alone.accuracy == 0.5
    assert known.needed is not None
    assert known.needed > 120
    each = competence(labels, answers, np.arange(120))
    assert each == alone
    assert competence(labels, labels, patients).p < SURE
    assert competence(labels[:40], labels[:40], patients[:40]).p > SURE, "four patients"
