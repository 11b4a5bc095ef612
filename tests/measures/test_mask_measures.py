"""Mask measures against naive loops, numpy's own figures and the thesis's definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shortcut_audit.measures import masks as measures

PAIRS = arrays(np.bool_, (2, 3, 5, 7))
SOFT = arrays(np.float32, (2, 3, 5, 7), elements=st.floats(0, 1, width=32))


def half(where: slice) -> np.ndarray:
    mask = np.zeros((1, 8, 8), dtype=bool)
    mask[:, where] = True
    return mask


def test_the_share_on_the_footprint_counts_revealed_pixels():
    mask, footprint = half(slice(0, 4)), half(slice(3, 8))
    assert measures.share_on_footprint(mask, footprint) == pytest.approx(1 / 4)
    assert measures.footprint_shown(mask, footprint) == pytest.approx(1 / 5)
    assert measures.share_on_footprint(mask * 0.5, footprint) == pytest.approx(1 / 4)


def test_a_mask_highlights_a_decoy_that_it_fills_or_that_fills_it():
    small, large = half(slice(0, 1)), half(slice(0, 6))
    assert measures.highlights(small, large).all()
    assert measures.highlights(large, small).all()
    assert not measures.highlights(half(slice(0, 3)), half(slice(2, 8))).any()


@given(PAIRS)
def test_similarity_is_common_pixels_over_pixels_in_a_mask(pair):
    a, b = pair
    for i, found in enumerate(measures.similarity(a, b)):
        pixels = (a[i].sum() + b[i].sum()) / 2
        assert found == pytest.approx((a[i] & b[i]).sum() / pixels if pixels else 0)
    for i, found in enumerate(measures.iou(a, b)):
        union = (a[i] | b[i]).sum()
        assert found == pytest.approx((a[i] & b[i]).sum() / union if union else 0)


@given(SOFT)
def test_laws_of_likeness(pair):
    a, b = pair
    for measure in (measures.similarity, measures.iou, measures.correlation):
        found = measure(a, b)
        assert np.isfinite(found).all()
        assert found == pytest.approx(measure(b, a), abs=1e-9)
        assert (np.abs(found) <= 1 + 1e-9).all()
    assert (measures.iou(a, b) <= measures.similarity(a, b) + 1e-9).all()


def test_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 4, 6, 6))
    expected = [np.corrcoef(a[i].ravel(), b[i].ravel())[0, 1] for i in range(4)]
    assert measures.correlation(a, b) == pytest.approx(expected)
    assert measures.correlation(a, np.ones_like(a)) == pytest.approx(0)


@pytest.mark.parametrize("known", [False, True])
def test_chance_is_the_mean_over_shifts(known):
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 3, 6, 7)) < 0.3
    objects = rng.random((3, 6, 7)) < 0.6 if known else None
    for i, found in enumerate(measures.chance_corrected(a, b, objects)):
        shifted = [np.roll(b[i], (down, right), (0, 1)) for down in range(6) for right in range(7)]
        if known:
            shifted = [
                mask for mask in shifted if (mask & objects[i]).sum() >= (b[i] & objects[i]).sum()
            ]
        size = (a[i].sum() + b[i].sum()) / 2
        chance = np.mean([(a[i] & mask).sum() / size for mask in shifted])
        assert found == pytest.approx(((a[i] & b[i]).sum() / size - chance) / (1 - chance))


def test_two_masks_on_one_large_object_are_alike_by_chance_only():
    rng = np.random.default_rng(2)
    objects = np.zeros((400, 16, 16), dtype=bool)
    objects[:, 4:12, 4:12] = True
    masks = np.zeros((2, 400, 16, 16), dtype=bool)
    for each in masks.reshape(-1, 16, 16):
        row, column = rng.integers(4, 10, 2)
        each[row : row + 3, column : column + 3] = True
    first, second = masks
    assert measures.similarity(first, second).mean() > 0.1
    assert measures.chance_corrected(first, second, objects).mean() == pytest.approx(0, abs=0.05)
    # without the object's region chance looks too small
    assert measures.chance_corrected(first, second).mean() > 0.1
    assert measures.chance_corrected(first, first, objects) == pytest.approx(1)


def test_a_mask_that_fills_its_object_can_not_be_told_from_chance():
    mask = half(slice(2, 5))[:, :, :]
    mask[:, :, 5:] = False
    assert measures.chance_corrected(mask, mask, mask) == pytest.approx(0)


def test_transfer_by_hand():
    own, other, blurred = (
        np.array([0.9, 0.9, 0.22]),
        np.array([0.3, 0.95, 0.1]),
        np.array([0.1, 0.1, 0.2]),
    )
    assert measures.transfer_drop(own, other) == pytest.approx([0.6, -0.05, 0.12])
    assert measures.transfer_quotient(own, other) == pytest.approx(other / own)
    assert measures.normalised_transfer(own, other, blurred) == pytest.approx([0.75, -0.0625, 0])


@given(arrays(np.float64, (3, 2, 5), elements=st.floats(0, 1)))
def test_normalised_transfer_is_finite_and_bounded(scores):
    found = measures.normalised_transfer(*scores)
    assert found.shape == (2, 5)
    assert (np.abs(found) <= 1).all()


def test_empty_masks_are_like_nothing():
    empty, full = np.zeros((2, 4, 4)), np.ones((2, 4, 4))
    for measure in (
        measures.similarity,
        measures.iou,
        measures.correlation,
        measures.chance_corrected,
    ):
        assert measure(empty, empty) == pytest.approx(0)
        assert measure(empty, full) == pytest.approx(0)
    assert measures.share_on_footprint(empty, full) == pytest.approx(0)
