"""A picture that lies over the whole image: where its mark is, and what of it is covered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from shortcut_audit import UsageError, registry
from shortcut_audit.subjects.decoying.pasting import filled, without_small_gaps
from shortcut_audit.subjects.decoys.layer import Layer
from shortcut_audit.subjects.decoys.overlay import Overlay

SIDE, IDS = 40, ("a", "b", "c")
WHITE = torch.full((3, 3, SIDE, SIDE), 255, dtype=torch.uint8)


def png(folder: Path, visible: np.ndarray) -> Path:
    """A red picture that is visible at (a, b) bool."""
    rgba = np.zeros((*visible.shape, 4), np.uint8)
    rgba[visible] = (200, 20, 30, 255)
    file = folder / "layer.png"
    Image.fromarray(rgba).save(file)
    return file


def framed(side: int = SIDE, wide: int = 4) -> np.ndarray:
    frame = np.ones((side, side), bool)
    frame[wide:-wide, wide:-wide] = False
    return frame


def test_the_mark_stays_where_it_is_on_the_picture(tmp_path: Path) -> None:
    visible = np.zeros((SIDE, SIDE), bool)
    visible[30:36, 3:15] = True
    placed = Layer(image=png(tmp_path, visible)).apply(WHITE, IDS)
    assert (placed.footprint.numpy() == visible).all()
    assert (placed.decoyed[:, :, torch.from_numpy(visible)] != 255).all()
    assert torch.equal(placed.decoyed[0], placed.decoyed[2]), "the same place on every picture"
    moved = Overlay(image=tmp_path / "layer.png", placement="centre", size=1.0).apply(WHITE, IDS)
    assert not torch.equal(moved.footprint, placed.footprint), "an overlay's rim does not count"


def test_a_frame_covers_itself_and_leaves_the_middle_alone(tmp_path: Path) -> None:
    placed = Layer(image=png(tmp_path, framed())).apply(WHITE, IDS)
    assert (placed.footprint.numpy() == framed()).all()
    for pixels in (placed.decoyed, placed.control):
        assert (pixels[:, :, ~torch.from_numpy(framed())] == 255).all()
    assert (placed.control[:, :, torch.from_numpy(framed())] != 255).all()


@pytest.mark.parametrize("side", [20, 80])
def test_it_grows_with_the_picture(tmp_path: Path, side: int) -> None:
    pixels = torch.full((1, 3, side, side), 255, dtype=torch.uint8)
    placed = Layer(image=png(tmp_path, framed())).apply(pixels, ["a"])
    covered = placed.footprint[0].numpy()
    assert (covered | ~framed(side, side // 10)).all()
    assert not covered[side // 4 : -side // 4, side // 4 : -side // 4].any()


def test_what_is_transparent_everywhere_is_refused(tmp_path: Path) -> None:
    file = png(tmp_path, np.zeros((8, 8), bool))
    with pytest.raises(UsageError, match="is transparent everywhere: nothing would be pasted"):
        Layer(image=file).apply(WHITE, IDS)
    with pytest.raises(UsageError) as caught:
        registry.build("decoy", "layer").apply(WHITE, IDS)
    assert str(caught.value) == "the decoy 'layer' needs a picture: add 'image: FILE.png'"


def test_its_recipe_names_the_picture_by_its_content(tmp_path: Path) -> None:
    file = png(tmp_path, framed())
    before = repr(Layer(image=file))
    assert before.startswith("Layer(")
    png(tmp_path, framed(wide=5))
    assert repr(Layer(image=file)) != before


def test_letters_become_a_block_and_a_frame_stays_one() -> None:
    letters = np.zeros((30, 30), bool)
    letters[10:18, 5:20:2] = True  # strokes of one pixel
    assert without_small_gaps(letters)[10:18, 5:20].all()
    assert without_small_gaps(letters).sum() == 8 * 15
    assert (without_small_gaps(framed()) == framed()).all()
    assert filled(framed()).all(), "an overlay's gaps are all closed"


@given(arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24))))
def test_what_is_visible_is_covered_and_nothing_far_from_it(shape: np.ndarray) -> None:
    closed = without_small_gaps(shape)
    assert closed.shape == shape.shape
    assert (closed | ~shape).all()
    assert (without_small_gaps(closed) == closed).all()
    if not shape.any():
        assert not closed.any()
    rows = np.flatnonzero(shape.any(1))
    if len(rows):
        assert not closed[: rows[0]].any()
        assert not closed[rows[-1] + 1 :].any()
