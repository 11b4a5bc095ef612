"""Crops of a planted mark -> the mark alone: its form, its colours, its opacity, its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from marked_pictures import mark, noise

from shortcut_audit.discovery.appearance.aligned import aligned
from shortcut_audit.discovery.appearance.standing_out import FEWEST
from shortcut_audit.discovery.families.cleaning import cleaned
from shortcut_audit.discovery.families.mark import mark_of
from shortcut_audit.discovery.proposal import Proposal

SIDE, TARGET = 32, "left"
PLAIN = noise()
RING = np.ones((9, 9), bool)
RING[3:6, 3:6] = RING[0, 0] = False


def proposal(
    opacity: float, form: np.ndarray, corner: tuple[int, int] | None, shown: int = 12
) -> tuple[Proposal, tuple[int, int]]:
    """A mark on so many pictures of the first class, and a cut-out that misses a part of it and has
    a part of what is behind; and where in the crops the mark stands.
    """
    rng = np.random.default_rng(2)
    pixels, seen = PLAIN.pixels.clone().float(), torch.from_numpy(form)
    colours = mark().float()
    corners = [corner or tuple(rng.integers(4, SIDE - 13, 2)) for _ in range(shown)]
    for picture, (top, left) in zip(pixels, corners, strict=False):
        window = picture[:, top : top + 9, left : left + 9]
        window[:, seen] += opacity * (colours - window)[:, seen]
    region = np.zeros((9, 9), bool)
    region[:6, :] = True  # the mask revealed three rows too many, and two too few
    found = aligned(
        pixels.round().to(torch.uint8),
        np.arange(shown),
        np.array(corners) - (2, 0),
        region,
    )
    across = int(np.argwhere(found.region.any(0))[0][0])
    down = int(np.argwhere(found.region.any(1))[0][0]) + 2
    made = Proposal("by hand", TARGET, 1.0, "", found.crops, found.region, found.corner, side=SIDE)
    return made, (down, across)


def overlap(
    rgba: np.ndarray, at: tuple[int, int], form: np.ndarray, true: tuple[int, int]
) -> float:
    """Intersection over union of what is visible, and the form at its place."""
    canvas = np.zeros((2, 40, 40), bool)
    canvas[0, at[0] : at[0] + rgba.shape[0], at[1] : at[1] + rgba.shape[1]] = rgba[..., 3] > 0
    canvas[1, true[0] : true[0] + 9, true[1] : true[1] + 9] = form
    return float((canvas[0] & canvas[1]).sum() / (canvas[0] | canvas[1]).sum())


@pytest.mark.parametrize("corner", [None, (5, 17), (2, 23)], ids=["anywhere", "fixed", "border"])
@pytest.mark.parametrize("opacity", [1.0, 0.6])
@pytest.mark.parametrize("form", [np.ones((9, 9), bool), RING], ids=["square", "ring"])
def test_the_mark_alone(form: np.ndarray, opacity: float, corner: tuple[int, int] | None) -> None:
    made, true = proposal(opacity, form, corner)
    rgba, at, copies = cleaned(made, PLAIN)
    assert copies
    assert rgba.dtype == np.uint8
    assert overlap(rgba, at, form, true) > 0.85
    assert set(np.unique(rgba[..., 3])) <= {0, rgba[..., 3].max()}
    assert rgba[..., 3].max() / 255 == pytest.approx(opacity, abs=0.1 if opacity < 1 else 0)
    whole = np.zeros((40, 40, 4))
    whole[at[0] : at[0] + rgba.shape[0], at[1] : at[1] + rgba.shape[1]] = rgba
    seen = whole[true[0] : true[0] + 9, true[1] : true[1] + 9]
    both = form & (seen[..., 3] > 0)
    away = np.abs(seen[..., :3] - mark().permute(1, 2, 0).numpy())[both]
    assert away.mean() < (2 if opacity == 1 else 25)
    expected = (
        None if corner is None else (corner[0] - true[0] + at[0], corner[1] - true[1] + at[1])
    )
    assert (None if made.corner is None else tuple(np.add(made.corner, at))) == expected


@pytest.mark.parametrize("shown", [1, FEWEST - 1])
def test_too_few_crops_stay_what_was_cut_out(shown: int) -> None:
    made, _ = proposal(0.6, RING, None, shown)
    rgba, at, _ = cleaned(made, PLAIN)
    assert made.crops is not None
    assert made.region is not None
    rows, columns = (
        slice(start, start + size) for start, size in zip(at, rgba.shape, strict=False)
    )
    assert ((rgba[..., 3] == 255) == made.region[rows, columns]).all()
    assert (rgba[..., 3] > 0).sum() == made.region.sum()
    assert (rgba[..., :3] == made.crops[0][rows, columns]).all()


def test_crops_with_nothing_in_common_stay_what_was_cut_out() -> None:
    pixels = PLAIN.pixels[:12].permute(0, 2, 3, 1).numpy()[:, 4:16, 4:16]
    region = np.zeros((12, 12), bool)
    region[3:8, 2:9] = True
    made = Proposal("by hand", TARGET, 1.0, "", pixels, region, side=SIDE)
    rgba, at, copies = cleaned(made, PLAIN)
    assert not copies
    assert (rgba.shape, at) == ((5, 7, 4), (3, 2))
    assert (rgba[..., 3] == 255).all()
    assert (rgba[..., :3] == pixels[0, 3:8, 2:9]).all()


def test_what_is_the_same_elsewhere_in_the_crop_is_not_the_mark() -> None:
    """A date in the corner of the crop is another thing than the sign that the mask revealed."""
    crops = PLAIN.pixels[:12].permute(0, 2, 3, 1).numpy()[:, :24, :24].copy()
    colours = mark().permute(1, 2, 0).numpy()
    crops[:, 1:8, 1:8] = colours[:7, :7]
    crops[:, 14:23, 14:23] = colours
    region = np.zeros((24, 24), bool)
    region[1:8, 1:8] = True
    rgba, at, _ = cleaned(Proposal("by hand", TARGET, 1.0, "", crops, region, side=SIDE), PLAIN)
    assert max(rgba.shape[:2]) <= 9
    assert max(at) <= 2


def blank(n: int = 3) -> torch.Tensor:
    return torch.zeros((n, 3, SIDE, SIDE), dtype=torch.uint8)


def rgba_of(form: np.ndarray, alpha: int = 255) -> np.ndarray:
    return np.dstack([mark().permute(1, 2, 0).numpy(), (alpha * form).astype(np.uint8)])


@pytest.mark.parametrize("corner", [(0, 0), (23, 23), (4, 11)])
def test_a_mark_of_one_place_is_laid_where_it_was_seen(corner: tuple[int, int]) -> None:
    decoy = mark_of(rgba_of(RING), corner, SIDE, TARGET)
    pixels = blank()
    placed = decoy.apply(pixels, ["a", "b", "c"])
    top, left = corner
    expected = torch.zeros_like(pixels)
    expected[:, :, top : top + 9, left : left + 9] = mark() * torch.from_numpy(RING)
    assert torch.equal(placed.decoyed, expected)
    assert placed.footprint[0].sum() <= 81
    assert decoy.target == TARGET


def test_a_mark_of_any_place_keeps_its_size() -> None:
    decoy = mark_of(rgba_of(np.ones((9, 9), bool)), None, SIDE, TARGET)
    pixels = blank(40)
    placed = decoy.apply(pixels, [str(i) for i in range(40)])
    assert (placed.footprint.sum((1, 2)) == 81).all()
    tops = {int(each.any(1).nonzero()[0]) for each in placed.footprint}
    assert len(tops) > 5, "it goes about"


@pytest.mark.parametrize("corner", [None, (4, 11)])
def test_at_another_size_it_is_as_large_a_part_of_the_picture(
    corner: tuple[int, int] | None,
) -> None:
    decoy = mark_of(rgba_of(np.ones((9, 9), bool)), corner, SIDE, TARGET)
    for side, near in ((16, 0.06), (64, 0.02)):  # few pixels have wide edges
        pixels = torch.zeros((3, 3, side, side), dtype=torch.uint8)
        covered = decoy.apply(pixels, ["a", "b", "c"]).footprint.float().mean((1, 2))
        assert covered.numpy() == pytest.approx(81 / SIDE**2, abs=near)


def test_a_frame_leaves_the_middle_of_the_picture_alone() -> None:
    frame = np.zeros((SIDE, SIDE, 4), np.uint8)
    frame[...] = (200, 30, 30, 255)
    frame[3:-3, 3:-3] = 0
    pixels = blank()
    placed = mark_of(frame, (0, 0), SIDE, TARGET).apply(pixels, ["a", "b", "c"])
    assert not placed.footprint[:, 5:-5, 5:-5].any()
    assert (placed.control[:, :, 5:-5, 5:-5] == 0).all()
