"""Where a cut-out is seen again: against a plain loop, and what is cut out around it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortcut_audit.discovery.appearance.aligned import NEAR, aligned, largest_part
from shortcut_audit.discovery.appearance.matching import FLAT, matches
from shortcut_audit.discovery.appearance.standing_out import FEWEST, SOURCES


def naive(crop: np.ndarray, region: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """The correlation at every place, by a loop in double precision; picture (h, w, 3)."""
    rows, columns = np.subtract(picture.shape[:2], region.shape) + 1
    found = np.zeros((rows, columns))
    for top in range(rows):
        for left in range(columns):
            window = picture[top : top + region.shape[0], left : left + region.shape[1]]
            found[top, left] = _alike(crop[region].ravel(), window[region].ravel())
    return found


def _alike(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(float), other.astype(float)
    if other.std() < FLAT:
        return float((one - one.mean()) @ (other - other.mean()) / (len(one) * one.std() * FLAT))
    return float(np.corrcoef(one, other)[0, 1])


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.tuples(*[st.integers(1, 7)] * 2), st.booleans())
def test_it_is_the_correlation_of_a_plain_loop(
    seed: int, shape: tuple[int, int], whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    height, width = np.add(shape, rng.integers(0, 8, 2))  # also as large as the crop
    pictures = rng.integers(0, 256, (3, height, width, 3), np.uint8)
    pictures[1] = 100 + pictures[1] // 32  # hardly any contrast
    crop = rng.integers(0, 256, (*shape, 3), np.uint8)
    region = rng.random(shape) < 0.6
    region[rng.integers(shape[0]), rng.integers(shape[1])] = True
    region |= whole
    if crop[region].std() < 1:
        return
    scores, corners = matches(crop, region, torch.from_numpy(pictures).permute(0, 3, 1, 2))
    for picture, score, (top, left) in zip(pictures, scores, corners, strict=True):
        expected = naive(crop, region, picture)
        assert score == pytest.approx(expected.max(), abs=1e-4)
        assert expected[top, left] == pytest.approx(expected.max(), abs=1e-4)


@pytest.mark.parametrize("side", [32, 224])
@pytest.mark.parametrize("change", ["as it is", "darker", "of less contrast"])
def test_it_is_one_where_the_cut_out_is(side: int, change: str) -> None:
    rng = np.random.default_rng(side)
    crop = rng.integers(60, 200, (9, 7, 3), np.uint8)
    region = np.ones((9, 7), bool)
    region[0, :3] = False
    pixels = torch.from_numpy(rng.integers(0, 256, (5, 3, side, side), np.uint8))
    pixels[2] = 255 * (torch.arange(side) % 2).to(torch.uint8)  # as much contrast as there can be
    places = [(0, 0), (side - 9, side - 7), (11, 5), (0, side - 7), (side - 9, 3)]
    shown = torch.from_numpy(crop).permute(2, 0, 1)
    changed = {"as it is": shown, "darker": shown - 60, "of less contrast": shown // 4}[change]
    for picture, (top, left) in zip(pixels, places, strict=True):
        window = picture[:, top : top + 9, left : left + 7]
        window[:, torch.from_numpy(region)] = changed[:, torch.from_numpy(region)]
    scores, corners = matches(crop, region, pixels)
    assert scores == pytest.approx(1, abs=2e-3)
    assert scores.max() <= 1
    assert [tuple(corner) for corner in corners] == places


def test_what_is_flat_resembles_nothing() -> None:
    rng = np.random.default_rng(0)
    crop = rng.integers(0, 256, (5, 5, 3), np.uint8)
    grey = torch.full((2, 3, 32, 32), 90, dtype=torch.uint8)
    assert matches(crop, np.ones((5, 5), bool), grey)[0] == pytest.approx(0, abs=1e-3)
    noisy = torch.from_numpy(rng.integers(0, 256, (2, 3, 32, 32), np.uint8))
    flat = np.full((5, 5, 3), 90, np.uint8)
    assert matches(flat, np.ones((5, 5), bool), noisy)[0] == pytest.approx(0, abs=1e-3)


def test_many_pictures_at_once_are_the_same_as_each_alone() -> None:
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 256, (6, 6, 3), np.uint8)
    pixels = torch.from_numpy(rng.integers(0, 256, (130, 3, 16, 16), np.uint8))
    scores, corners = matches(crop, np.ones((6, 6), bool), pixels)
    for i in (0, 63, 64, 129):
        score, corner = matches(crop, np.ones((6, 6), bool), pixels[i : i + 1])
        assert score[0] == pytest.approx(scores[i], abs=1e-6)
        assert corner[0].tolist() == corners[i].tolist()


def test_the_largest_part_in_its_box() -> None:
    region = np.zeros((8, 9), bool)
    region[0, 0] = region[3:6, 5:9] = True
    region[3, 5] = False
    part, corner = largest_part(region)
    assert (part.shape, corner, part.sum()) == ((3, 4), (3, 5), 11)
    whole, corner = largest_part(np.ones((4, 5), bool))
    assert (whole.all(), whole.shape, corner) == (True, (4, 5), (0, 0))
    one, corner = largest_part(np.eye(3, dtype=bool))  # corners that touch are parts of their own
    assert (one.sum(), corner) == (1, (0, 0))


PLACED = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 22)), min_size=1, max_size=30)


@settings(max_examples=50)
@given(PLACED)
def test_crops_lie_upon_each_other(places: list[tuple[int, int]]) -> None:
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (len(places), 3, 24, 24), np.uint8)
    )
    region = np.ones((5, 2), bool)
    region[0, 0] = False
    found = aligned(pixels, np.arange(len(places)), np.array(places), region)
    assert found.pictures[0] == 0, "the one that the region is of is always there"
    assert min(FEWEST, len(places)) <= len(found.pictures) <= SOURCES
    assert found.region.shape == found.crops.shape[1:3]
    assert found.region.sum() == region.sum()
    down, across = np.argwhere(found.region.any(1))[0][0], np.argwhere(found.region.any(0))[0][0]
    kept = np.array([places[i] for i in found.pictures]) - (down, across)
    for crop, i, (top, left) in zip(found.crops, found.pictures, kept, strict=True):
        window = pixels[int(i), :, top : top + crop.shape[0], left : left + crop.shape[1]]
        assert (crop == window.permute(1, 2, 0).numpy()).all()
    near = bool((np.ptp(kept, axis=0) <= NEAR).all())
    assert found.corner == (tuple(kept[0]) if near else None)


def test_one_picture_alone_has_a_place() -> None:
    pixels = torch.zeros((3, 3, 24, 24), dtype=torch.uint8)
    found = aligned(pixels, np.array([2]), np.array([[0, 10]]), np.ones((3, 4), bool))
    assert found.corner == (0, 6)
    assert found.crops.shape == (1, 7, 12, 3), "a rim of a sixth, where there is room"
    assert found.pictures.tolist() == [2]


def test_a_region_of_the_whole_picture_has_no_rim() -> None:
    pixels = torch.zeros((9, 3, 24, 24), dtype=torch.uint8)
    found = aligned(pixels, np.arange(9), np.zeros((9, 2), int), np.ones((24, 24), bool))
    assert (found.crops.shape, found.corner) == ((9, 24, 24, 3), (0, 0))
