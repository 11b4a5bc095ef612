"""Where decoys go, what they look like there, and what their controls keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from shortcut_audit import UsageError
from shortcut_audit.subjects.decoying.pasting import (
    BATCH,
    CONTROLS,
    PLACEMENTS,
    filled,
    lay,
    neutral,
    place,
    windows,
)
from shortcut_audit.subjects.decoys.copyright_tag import CopyrightTag
from shortcut_audit.subjects.decoys.overlay import Overlay
from shortcut_audit.subjects.decoys.stop_sign import StopSign
from shortcut_audit.subjects.pictures.record import generator

BLACK = torch.zeros((40, 3, 64, 64), dtype=torch.uint8)
IDS = tuple(str(i) for i in range(len(BLACK)))


def centres(footprint: torch.Tensor) -> np.ndarray:
    """(n, 2): the middle of each footprint, rows and columns, as shares of the image."""
    return (
        np.array([ndimage.center_of_mass(each.numpy()) for each in footprint]) / footprint.shape[-1]
    )


@pytest.mark.parametrize(
    ("placement", "row", "column"),
    [
        ("top_left", 0.14, 0.14),
        ("top_right", 0.14, 0.85),
        ("bottom_left", 0.85, 0.14),
        ("bottom_right", 0.85, 0.85),
        ("centre", 0.5, 0.5),
    ],
)
def test_a_named_place_is_the_same_for_every_image(
    placement: str, row: float, column: float
) -> None:
    found = centres(StopSign(placement=placement).apply(BLACK, IDS).footprint)
    assert np.ptp(found, axis=0).max() == 0
    assert found[0] == pytest.approx((row, column), abs=0.02)


def test_a_random_corner_is_each_of_the_four() -> None:
    found = centres(StopSign(placement="random_corner").apply(BLACK, IDS).footprint)
    assert len(np.unique(found.round(6), axis=0)) == 4
    assert len(np.unique(found > 0.5, axis=0)) == 4


def test_a_random_position_is_uniform_over_the_free_places() -> None:
    corners = [place("random_position", generator(0, str(i)), (3, 4), 0) for i in range(4000)]
    counts = np.bincount([5 * top + left for top, left in corners], minlength=20)
    assert len(counts) == 20
    # five standard deviations of a binomial count
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200)


def test_the_seed_moves_it() -> None:
    one, two = (centres(StopSign(seed=seed).apply(BLACK, IDS).footprint) for seed in (0, 1))
    assert np.abs(one - two).mean() > 0.05


@given(
    placement=st.sampled_from(PLACEMENTS),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    size=st.floats(0.01, 1),
    control=st.sampled_from(CONTROLS),
)
@settings(max_examples=40, deadline=None)
def test_any_decoy_fits_any_image(
    placement: str, height: int, width: int, size: float, control: str
) -> None:
    """Law: the longer side is `size` of the shorter image side, at least a pixel; it always lies
    inside the image.
    """
    pixels = torch.zeros((2, 3, height, width), dtype=torch.uint8)
    footprint = (
        StopSign(placement=placement, size=size, control=control)
        .apply(pixels, ("a", "b"))
        .footprint
    )
    side = max(1, round(size * min(height, width)))
    for each in footprint:
        assert max(int(each.any(0).sum()), int(each.any(1).sum())) == side


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=6))
def test_filled_closes_gaps_only(rows: list[list[bool]]) -> None:
    """Law: a pixel is in it exactly if one of the shape's lies on either side of it, in its row or
    in its column.
    """
    shape = np.array(rows)
    for (y, x), inside in np.ndenumerate(filled(shape)):
        in_row = shape[y, : x + 1].any() and shape[y, x:].any()
        in_column = shape[: y + 1, x].any() and shape[y:, x].any()
        assert inside == (in_row or in_column)


def test_pasting_is_pillows() -> None:
    """An independent alpha composite gives the same pixels, but for rounding."""
    rng = np.random.default_rng(0)
    under, over = (
        rng.integers(0, 256, (20, 30, 3), dtype=np.uint8),
        rng.integers(0, 256, (8, 12, 4), dtype=np.uint8),
    )
    expected = Image.fromarray(under)
    layer = Image.fromarray(over)
    expected.paste(layer.convert("RGB"), (5, 3), layer.getchannel("A"))
    pixels = torch.from_numpy(under).permute(2, 0, 1)[None].clone()
    lay(
        pixels,
        windows([(3, 5)], (8, 12)),
        over[None, ..., :3].astype(np.float32),
        over[None, ..., 3].astype(np.float32) / 255,
    )
    assert np.abs(pixels[0].permute(1, 2, 0).numpy().astype(int) - np.asarray(expected)).max() <= 1


def test_more_images_than_are_worked_on_at_once() -> None:
    pixels = torch.zeros((BATCH + 30, 3, 16, 16), dtype=torch.uint8)
    ids = [str(i) for i in range(len(pixels))]
    whole, late = (
        StopSign().apply(pixels, ids),
        StopSign().apply(pixels[BATCH - 5 :], ids[BATCH - 5 :]),
    )
    for every, few in (
        (whole.decoyed, late.decoyed),
        (whole.control, late.control),
        (whole.footprint, late.footprint),
    ):
        assert torch.equal(every[BATCH - 5 :], few)
        assert every.flatten(1).any(1).all()


def test_opacity_is_the_share_of_the_way_to_the_decoy() -> None:
    full = StopSign(opacity=1.0, placement="centre").apply(BLACK[:1], ("a",))
    half = StopSign(opacity=0.5, placement="centre").apply(BLACK[:1], ("a",))
    for solid, thin in ((full.decoyed, half.decoyed), (full.control, half.control)):
        assert (solid.float() / 2 - thin.float()).abs().max() <= 0.5
    assert torch.equal(full.footprint, half.footprint)


def test_the_scrambled_control_has_the_decoys_own_pixels() -> None:
    made = CopyrightTag(control="scrambled", opacity=1.0).apply(BLACK, IDS)
    for decoyed, control, where in zip(made.decoyed, made.control, made.footprint, strict=True):
        assert torch.equal(decoyed[:, where].T.unique(dim=0), control[:, where].T.unique(dim=0))
        assert not torch.equal(decoyed[:, where], control[:, where])
    assert len({each.numpy().tobytes() for each in made.control}) == len(IDS), (
        "one scramble on every image could become a decoy"
    )


@pytest.mark.parametrize("control", CONTROLS)
def test_the_control_covers_as_much_and_is_as_bright(control: str) -> None:
    rng = np.random.default_rng(1)
    colour, alpha = (
        rng.uniform(60, 190, (30, 40, 3)).astype(np.float32),
        rng.uniform(0.1, 1, (30, 40)).astype(np.float32),
    )
    hull = np.ones((30, 40), dtype=bool)
    colours, alphas = neutral(control, colour, alpha, hull, [generator(0, "a"), generator(0, "b")])
    grey = colour @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    for each, depth in zip(colours, np.broadcast_to(alphas, (len(colours), 30, 40)), strict=True):
        assert depth.mean() == pytest.approx(alpha.mean(), rel=1e-5)
        luminance = each @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        assert np.average(luminance, weights=depth) == pytest.approx(
            np.average(grey, weights=alpha), abs=2.5
        )


def test_a_stop_sign_is_a_red_octagon_with_white_on_it() -> None:
    sign = StopSign().picture(160)
    # an octagon's share of its square
    assert sign[..., 3].mean() / 255 == pytest.approx(2 * np.tan(np.pi / 8), abs=0.01)
    assert (np.array(sign.shape[:2]) == 160).all()
    assert sign[0, 0, 3] == sign[-1, -1, 3] == 0
    visible = sign[sign[..., 3] > 250][:, :3].astype(int)
    red, white = (visible[:, 0] > 150) & (visible[:, 1] < 60), (visible > 240).all(1)
    assert red.mean() > 0.5
    assert 0.15 < white.mean() < 0.45


@pytest.mark.parametrize("side", [32, 128])
def test_a_tag_is_as_wide_as_asked_and_holds_its_text_with_a_rim(side: int) -> None:
    tag = CopyrightTag().picture(side)
    assert tag.shape[1] == side
    assert side / 6 < tag.shape[0] < side / 2
    bright = tag[..., :3].min(-1) > 128
    assert 0.1 < bright.mean() < 0.5
    assert not bright[[0, -1]].any()
    assert not bright[:, [0, -1]].any()
    _, count = ndimage.label(tag[..., :3].min(-1) > 90, np.ones((3, 3)))
    assert 3 <= count <= 7, "the six signs of the text stand apart, as far as the pixels go"
    assert not np.array_equal(tag, CopyrightTag(text="© 2024").picture(side))


def test_a_tag_needs_a_text() -> None:
    with pytest.raises(UsageError, match=r"^a copyright tag needs a text: add 'text: © 2021'$"):
        CopyrightTag(text=" ")


@pytest.mark.parametrize("control", CONTROLS)
def test_an_overlay_of_letters_leaves_no_letters_in_its_control(
    tmp_path: Path, control: str
) -> None:
    """The footprint is the block that the letters stand in: a grey silhouette could still be read."""
    letters = np.zeros((20, 40, 4), np.uint8)
    letters[:, ::4] = letters[0] = (250, 200, 0, 255)
    letters[-1] = letters[0]
    Image.fromarray(letters).save(tmp_path / "comb.png")
    made = Overlay(
        image=tmp_path / "comb.png", size=0.625, placement="centre", control=control
    ).apply(BLACK[:1], ("a",))
    assert made.footprint[0].sum() >= 0.9 * 20 * 40
    assert not torch.equal(made.decoyed > 0, made.control > 0)


def test_an_overlay_says_what_is_wrong_with_its_picture(tmp_path: Path) -> None:
    solid, empty, jpeg, torn, faint = (
        tmp_path / name for name in ("solid.png", "empty.png", "a.jpg", "torn.png", "faint.png")
    )
    Image.new("RGB", (9, 9)).save(solid)
    Image.new("RGBA", (9, 9)).save(empty)
    Image.new("RGB", (9, 9)).save(jpeg)
    Image.new("RGBA", (9, 9), (1, 2, 3, 5)).save(faint)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 4), dtype=np.uint8)).save(
        torn
    )
    torn.write_bytes(torn.read_bytes()[:2000])
    said = {
        None: "the decoy 'overlay' needs a picture: add 'image: FILE.png'",
        tmp_path / "none.png": "does not exist: check 'image' in the scenario",
        jpeg: "is not a PNG: save it as a PNG with transparency",
        solid: "has no alpha channel: save it as a PNG with transparency",
        empty: "is transparent everywhere: nothing would be pasted",
        torn: "cannot be read: ",
        tmp_path: "cannot be read: ",
        faint: "nothing of the decoy can be seen at 16 pixels: raise its size or its picture's alpha",
    }
    for image, words in said.items():
        with pytest.raises(UsageError) as caught:
            Overlay(image=image).apply(BLACK[:1], ("a",))
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)


def test_an_overlays_recipe_is_its_content_and_not_its_path(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    first, moved = tmp_path / "logo.png", tmp_path / "elsewhere" / "logo.png"
    Image.new("RGBA", (9, 9), (1, 2, 3, 255)).save(first)
    moved.write_bytes(first.read_bytes())
    assert repr(Overlay(image=first)) == repr(Overlay(image=moved))
    before = repr(Overlay(image=first))
    Image.new("RGBA", (9, 9), (1, 2, 4, 255)).save(first)
    assert repr(Overlay(image=first)) != before
