"""What is drawn, and how many pictures a report may have."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from shortcut_audit.exhibits import Exhibit, Looked
from shortcut_audit.showing.album import Album, encoded
from shortcut_audit.showing.collect import drawn
from shortcut_audit.showing.drafts import Draft
from shortcut_audit.showing.drawing import DIMMED, GLOW, OUTLINE, around, picture, revealed
from shortcut_audit.showing.exhibits_file import files

PAGE = 9_000_000  # characters of pictures that one page may carry
RNG = np.random.default_rng(0)


def noise(size: int) -> torch.Tensor:
    """(3, h, w) uint8: the dearest picture that there is."""
    return torch.from_numpy(RNG.integers(0, 256, (3, size, size), dtype=np.uint8))


LARGE = [noise(160) for _ in range(8)]


def corner(size: int, side: int) -> np.ndarray:
    """(h, w) bool: a square in the upper left corner."""
    found = np.zeros((size, size), bool)
    found[:side, :side] = True
    return found


def test_a_small_picture_is_stored_as_it_is_and_a_large_one_smaller():
    pixels = noise(64)
    assert (np.asarray(picture(pixels)) == pixels.permute(1, 2, 0).numpy()).all()
    assert picture(noise(160)).size == (160, 160)
    assert picture(noise(500)).size == (160, 160)


def test_outside_the_mask_it_is_grey_and_dark_and_the_decoy_has_an_outline():
    pixels, mask, decoy = noise(32), corner(32, 16), corner(32, 4)
    found = np.asarray(revealed(pixels, mask, decoy)).astype(int)
    rim = around(decoy)
    assert rim.sum() == 9  # four below, four to the right, and the corner
    assert (found[rim] == OUTLINE).all()
    plain = pixels.permute(1, 2, 0).numpy()
    assert (found[mask & ~rim] == plain[mask & ~rim]).all()
    outside = found[~mask & ~rim]
    assert (outside == outside[:, :1]).all()
    assert outside.max() <= 255 * DIMMED + GLOW


def test_the_outline_hides_nothing_of_the_decoy():
    decoy = RNG.random((20, 20)) < 0.3
    assert not (around(decoy) & decoy).any()
    assert not around(np.ones((8, 8), bool)).any()
    assert not around(np.zeros((8, 8), bool)).any()


@pytest.mark.parametrize("size", [64, 500])
def test_a_mask_is_drawn_at_the_pictures_size(size):
    pixels = torch.full((3, size, size), 200, dtype=torch.uint8)
    found = np.asarray(revealed(pixels, corner(size, size // 2), np.zeros((size, size), bool)))
    bright = (found == 200).all(2)
    assert bright.mean() == pytest.approx(0.25, abs=0.01)


def test_the_pixels_come_back_nearly_as_they_were():
    smooth = np.add.outer(np.arange(64), np.arange(64))[..., None] * [1, 0.5, 0.2]
    image = Image.fromarray(smooth.astype(np.uint8))
    with Image.open(io.BytesIO(encoded(image))) as again:
        away = np.abs(np.asarray(again.convert("RGB")).astype(int) - np.asarray(image))
    assert away.mean() < 4


def test_the_same_picture_is_one_file_and_counts_each_time():
    album, image = Album(), picture(noise(64))
    assert album.add(image) == album.add(image.copy())
    assert album.spent == 2 * len(encoded(image))


def look(pixels: torch.Tensor, album: Album) -> Looked:
    """A piece of two pictures."""
    file = album.add(picture(pixels))
    return Looked("id", file, album.add(picture(pixels.flip(0))), 0.5)


def draft(model: str, pieces: int) -> Draft:
    """A draft with so many pieces of 160 pixels, of noise."""
    exhibit = Exhibit(model, "", "stop_sign", "cat", pictures=100, turned=50)
    return Draft(exhibit, tuple(partial(look, LARGE[at % len(LARGE)]) for at in range(pieces)))


def silent(*_):
    """Says nothing."""


def test_fifty_models_with_five_decoys_fit_on_one_page_and_rejected_ones_come_first():
    album = Album()
    found = [draft(f"m{at}", 30) for at in range(250)]
    urgency = [0 if at % 50 == 7 else 3 for at in range(250)]
    shown = drawn(found, urgency, album, silent)
    contents = dict(album.contents)
    carried = sum(len(contents[file]) for each in shown for file in files(each)) * 4 / 3
    assert carried == pytest.approx(album.spent * 4 / 3)
    assert 0.9 * PAGE < carried < PAGE
    for each, urgent in zip(shown, urgency, strict=True):
        assert (each.pictures, each.turned) == (100, 50)
        assert urgent or len(each.looked) <= 1
    assert sum(len(each.looked) for each in shown[7::50]) > sum(
        len(each.looked) for each in shown[8::50]
    )


def test_where_there_is_room_everything_is_shown_in_its_order():
    found = [draft("a", 3), draft("b", 1), draft("c", 0)]
    album = Album()
    shown = drawn(found, [3, 0, 1], album, silent)
    assert [len(each.looked) for each in shown] == [3, 1, 0]
    again = [piece(Album()) for piece in found[0].pieces]
    assert list(shown[0].looked) == again


def test_first_one_of_each_and_then_what_is_urgent():
    found = [draft("passes", 3), draft("rejected", 3)]
    one = Album()
    found[0].pieces[0](one)
    for pieces, expected in ((1, [0, 1]), (2, [1, 1]), (3, [1, 2]), (4, [1, 3]), (5, [2, 3])):
        album = Album(most=int(one.spent * (pieces - 0.5)))
        shown = drawn(found, [3, 0], album, silent)
        assert [len(each.looked) for each in shown] == expected
