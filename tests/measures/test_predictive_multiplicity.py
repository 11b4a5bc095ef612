"""Each measure against its definition, counted by hand, and the laws that it must keep for any set
of models.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import optimize, stats

from shortcut_audit.measures.disagreement import (
    TOLERANCE,
    ambiguity,
    ambiguous,
    conflicts,
    discrepancy,
    rashomon_capacity,
    viable_prediction_range,
)

LABELS = np.array(
    [
        [0, 1, 2, 0, 1],  # the baseline
        [0, 1, 2, 0, 2],  # 1 of 5 otherwise
        [0, 0, 2, 1, 1],  # 2 of 5 otherwise
    ]
)
sets = arrays.arrays(
    np.int64, st.tuples(st.integers(1, 6), st.integers(1, 12)), elements=st.integers(0, 3)
)


@st.composite
def channels(draw, least=(1, 1)):
    """(m, n, k) distributions, some of them sure; at least so many models and images."""
    shape = draw(st.integers(least[0], 5)), draw(st.integers(least[1], 4)), draw(st.integers(2, 4))
    raw = draw(
        arrays.arrays(np.float64, shape, elements=st.sampled_from([0.0, 0.01, 0.3, 1.0, 5.0, 40.0]))
    )
    raw[raw.sum(2) == 0] = 1
    return raw / raw.sum(2, keepdims=True)


def test_ambiguity_and_discrepancy_counted_by_hand():
    assert ambiguous(LABELS).tolist() == [False, True, False, True, True]
    assert ambiguity(LABELS) == 3 / 5
    assert conflicts(LABELS).tolist() == [0, 1 / 5, 2 / 5]
    assert discrepancy(LABELS) == 2 / 5
    assert (ambiguity(LABELS, baseline=1), discrepancy(LABELS, baseline=1)) == (3 / 5, 3 / 5)


@given(sets, st.integers(0, 5))
def test_what_holds_for_any_labels(labels, at):
    baseline = at % len(labels)
    by_hand = [
        max(int(row[i] != labels[baseline][i]) for row in labels) for i in range(labels.shape[1])
    ]
    assert ambiguous(labels, baseline).tolist() == [bool(each) for each in by_hand]
    every, each = ambiguity(labels, baseline), conflicts(labels, baseline)
    assert discrepancy(labels, baseline) == each.max() <= every <= each.sum() + 1e-12
    assert ambiguity(np.vstack([labels, labels[:1]]), baseline) == every if baseline else True
    assert ambiguity(labels[:1]) == discrepancy(labels[:1]) == 0
    renamed = (labels + 1) % 4
    assert (ambiguity(renamed, baseline), discrepancy(renamed, baseline)) == (
        every,
        discrepancy(labels, baseline),
    )


def test_without_images_there_is_no_number():
    none = np.zeros((3, 0), dtype=int)
    assert np.isnan([ambiguity(none), discrepancy(none)]).all()
    assert ambiguous(none).shape == (0,)
    assert rashomon_capacity(np.zeros((3, 0, 2))).shape == (0,)


def test_the_viable_range_by_hand():
    low, high = viable_prediction_range(
        np.array([[[0.2, 0.8], [0.5, 0.5]], [[0.3, 0.7], [0.1, 0.9]]])
    )
    assert low.tolist() == [[0.2, 0.7], [0.1, 0.5]]
    assert high.tolist() == [[0.3, 0.8], [0.5, 0.9]]


@given(channels())
def test_the_viable_range_holds_every_model_and_widens_with_the_set(given_):
    low, high = viable_prediction_range(given_)
    assert ((low <= given_) & (given_ <= high)).all()
    assert ((low == given_).any(0) & (high == given_).any(0)).all()
    fewer = viable_prediction_range(given_[:1])
    assert (low <= fewer[0]).all()
    assert (fewer[1] <= high).all()


def of(*rows):
    """The capacity of one image on which the models answer so."""
    return float(rashomon_capacity(np.array(rows, dtype=float)[:, None])[0])


def test_capacities_that_are_known_in_closed_form():
    assert of([1, 0], [0, 1]) == pytest.approx(1)  # two sure models that contradict each other
    assert of([1, 0, 0], [0, 1, 0], [0, 0, 1]) == pytest.approx(np.log2(3))
    assert of([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]) == pytest.approx(0, abs=1e-12)
    for error in (0.01, 0.11, 0.4):  # the binary symmetric, the erasure and the Z channel
        assert of([1 - error, error], [error, 1 - error]) == pytest.approx(
            1 - stats.entropy([error, 1 - error], base=2)
        )
        assert of([1 - error, 0, error], [0, 1 - error, error]) == pytest.approx(1 - error)
        z = np.log2(1 + (1 - error) * error ** (error / (1 - error)))
        assert z - TOLERANCE <= of([1, 0], [error, 1 - error]) <= z + 1e-12


@pytest.mark.parametrize("seed", range(4))
def test_the_capacity_is_what_a_general_optimiser_finds(seed):
    rows = np.random.default_rng(seed).dirichlet(np.full(4, 0.5), 3)  # (m, k)

    def information(weights):
        """I(model; answer) = H(answer) - H(answer | model), bits."""
        answer = stats.entropy(weights @ rows, base=2)
        return answer - weights @ stats.entropy(rows, axis=1, base=2)

    simplex = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    found = optimize.minimize(
        lambda weights: -information(np.abs(weights)),
        np.full(3, 1 / 3),
        bounds=[(1e-9, 1)] * 3,
        constraints=simplex,
        tol=1e-12,
    )
    assert of(*rows) <= -found.fun + 1e-6
    assert of(*rows) == pytest.approx(-found.fun, abs=TOLERANCE)


@given(channels())
@settings(deadline=None)
def test_the_capacity_lies_between_nothing_and_the_fewer_of_models_and_classes(given_):
    bits = rashomon_capacity(given_)
    assert bits.shape == (given_.shape[1],)
    assert (bits >= 0).all()
    assert (bits <= np.log2(min(given_.shape[0], given_.shape[2])) + 1e-12).all()


@given(channels())
@settings(deadline=None)
def test_the_capacity_is_nothing_exactly_where_all_models_agree(given_):
    agree = np.isclose(given_, given_[:1], atol=1e-12).all((0, 2))  # (n,)
    bits = rashomon_capacity(given_)
    assert bits[agree] == pytest.approx(0, abs=1e-9)
    # the first step is the divergence of Jensen and Shannon at equal weights, and no later one is
    # less
    uniform = stats.entropy(given_.mean(0), axis=1, base=2) - stats.entropy(
        given_, axis=2, base=2
    ).mean(0)
    assert (bits >= uniform - 1e-9).all()
    assert (uniform[~agree] > 1e-6).all()


@given(channels(least=(2, 1)), st.randoms())
@settings(deadline=None)
def test_what_changes_the_capacity_and_what_does_not(given_, random):
    bits = rashomon_capacity(given_)
    order = random.sample(range(len(given_)), len(given_))
    assert rashomon_capacity(given_[order][:, :, ::-1]) == pytest.approx(bits, abs=TOLERANCE + 1e-9)
    mixed = np.concatenate([given_, given_[:1], given_.mean(0, keepdims=True)])
    assert rashomon_capacity(mixed) == pytest.approx(bits, abs=TOLERANCE + 1e-9)
    assert (rashomon_capacity(given_[:-1]) <= bits + TOLERANCE + 1e-9).all(), (
        "a model more can only add"
    )
    merged = np.concatenate([given_[..., :1] + given_[..., 1:2], given_[..., 2:]], axis=2)
    assert (rashomon_capacity(merged) <= bits + TOLERANCE + 1e-9).all(), (
        "merged classes can only take away"
    )


@given(channels(least=(1, 2)))
@settings(deadline=None)
def test_an_image_does_not_depend_on_the_others(given_):
    alone = [rashomon_capacity(given_[:, i : i + 1])[0] for i in range(given_.shape[1])]
    assert rashomon_capacity(given_) == pytest.approx(np.array(alone), abs=1e-9)


def test_the_decoy_that_divides_a_set_shows_and_the_one_that_all_share_does_not():
    """Ten images of class 0 with a decoy for class 1: two of four models fall for it, or all do."""
    sure = np.eye(2)
    divided = np.stack([np.tile(sure[answer], (10, 1)) for answer in (0, 0, 1, 1)])
    shared = np.stack([np.tile(sure[1], (10, 1))] * 4)
    assert ambiguity(divided.argmax(2)) == discrepancy(divided.argmax(2)) == 1
    assert rashomon_capacity(divided) == pytest.approx(np.ones(10))
    assert ambiguity(shared.argmax(2)) == 0
    assert rashomon_capacity(shared) == pytest.approx(np.zeros(10))
