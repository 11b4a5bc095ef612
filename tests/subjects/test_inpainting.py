"""An attribute is taken off a picture, and as much is taken off elsewhere."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from shortcut_audit.subjects.decoying.inpainting import elsewhere, filled_in, pasted


@st.composite
def places(draw: st.DrawFn) -> Tensor:
    """(1, h, w) bool: a rectangle somewhere on a picture."""
    height, width = draw(st.integers(8, 20)), draw(st.integers(8, 20))
    top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    down, right = draw(st.integers(1, height - top)), draw(st.integers(1, width - left))
    place = torch.zeros(1, height, width, dtype=torch.bool)
    place[0, top : top + down, left : left + right] = True
    return place


def room(filled: Tensor) -> bool:
    """Whether what fills these pixels (side,) of a side fits on it once more, beside itself."""
    first, last = filled.nonzero().flatten()[[0, -1]].tolist()
    return max(first, len(filled) - 1 - last) > last - first


@given(places())
def test_elsewhere_is_as_large_and_apart_or_nowhere(place: Tensor) -> None:
    other, shift = elsewhere(place)
    assert not (other & place).any()
    assert int(other.sum()) in (0, int(place.sum()))
    assert bool(other.any()) is any(room(place[0].any(i)) for i in (0, 1))
    if other.any():
        assert torch.equal(torch.roll(place[0], tuple(shift[0].tolist()), (0, 1)), other[0])


@given(places(), st.sampled_from(["border", "telea"]))
def test_nothing_changes_outside_the_place(place: Tensor, how: str) -> None:
    pixels = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (1, 3, *place.shape[1:]), np.uint8)
    )
    filled = filled_in(pixels, place, how)
    outside = (~place)[:, None].expand_as(pixels)
    assert torch.equal(filled[outside], pixels[outside])


@pytest.mark.parametrize("how", ["border", "telea"])
def test_a_mark_on_one_colour_is_gone(how: str) -> None:
    pixels = torch.full((1, 3, 16, 16), 90, dtype=torch.uint8)
    place = torch.zeros(1, 16, 16, dtype=torch.bool)
    place[0, 3:7, 4:9] = True
    marked = pixels.clone()
    marked[0, :, place[0]] = 255
    filled = filled_in(marked, place, how)
    assert (filled.int() - pixels.int()).abs().max() <= 3  # OpenCV rounds down at each step


def test_telea_is_opencv_s() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (20, 24, 3), np.uint8)
    place = np.zeros((20, 24), bool)
    place[5:9, 6:12] = True
    expected = cv2.inpaint(picture, place.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    found = filled_in(
        torch.from_numpy(picture).permute(2, 0, 1)[None], torch.from_numpy(place)[None], "telea"
    )
    assert np.array_equal(found[0].permute(1, 2, 0).numpy()[place], expected[place])


def test_what_is_pasted_elsewhere_is_the_mark_itself() -> None:
    place = torch.zeros(1, 12, 12, dtype=torch.bool)
    place[0, 1:4, 1:4] = True
    marked = torch.zeros(1, 3, 12, 12, dtype=torch.uint8)
    marked[0, :, 1:4, 1:4] = torch.arange(9, dtype=torch.uint8).view(3, 3) + 100
    other, shifts = elsewhere(place)
    moved = pasted(filled_in(marked, place, "border"), marked, place, shifts)
    assert not moved[0, :, place[0]].any()
    assert torch.equal(moved[0, 0][other[0]], marked[0, 0][place[0]])
