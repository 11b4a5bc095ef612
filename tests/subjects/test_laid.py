"""A decoy that is turned, and in several copies: still the decoy's own doing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortcut_audit import UsageError
from shortcut_audit.subjects.decoying.laid import Laid, turned
from shortcut_audit.subjects.decoying.pasting import CONTROLS, CORNERS
from shortcut_audit.subjects.decoys.coloured_border import ColouredBorder
from shortcut_audit.subjects.decoys.copyright_tag import CopyrightTag
from shortcut_audit.subjects.decoys.corner_patch import CornerPatch
from shortcut_audit.subjects.decoys.stop_sign import StopSign

PIXELS = torch.randint(
    0, 256, (4, 3, 48, 48), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
)
IDS = ["a", "b", "c", "d"]
DECOYS = (StopSign(), CopyrightTag(size=0.5), ColouredBorder(size=0.6), CornerPatch(target="cat"))
SHARES = st.floats(0, 1)


@pytest.mark.parametrize("decoy", DECOYS, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("corner", CORNERS)
def test_one_copy_in_a_corner_is_the_decoy_with_that_placement(decoy, corner):
    for control in decoy.controls:
        named = replace(decoy, placement=corner, control=control, opacity=0.7)
        found = Laid(named, 0, (CORNERS[corner],)).apply(PIXELS, IDS)
        wanted = named.apply(PIXELS, IDS)
        for what in ("decoyed", "control", "footprint"):
            assert torch.equal(getattr(found, what), getattr(wanted, what)), (control, what)


@given(
    decoy=st.sampled_from(DECOYS),
    rotation=st.integers(-180, 180),
    places=st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=4),
    size=st.floats(0.05, 1),
    opacity=st.floats(0.2, 1),
)
@settings(max_examples=60)
def test_outside_the_footprint_nothing_changes_and_each_picture_stands_alone(
    decoy, rotation, places, size, opacity
):
    laid = Laid(replace(decoy, size=size, opacity=opacity), rotation, tuple(places))
    before = PIXELS.clone()
    made = laid.apply(PIXELS, IDS)
    assert torch.equal(PIXELS, before), "the pictures given are not changed"
    outside = ~made.footprint[:, None].expand_as(PIXELS)
    assert made.footprint.any()
    for pixels in (made.decoyed, made.control):
        assert torch.equal(pixels[outside], PIXELS[outside])
    alone = laid.apply(PIXELS[2:3], IDS[2:3])
    assert torch.equal(alone.decoyed[0], made.decoyed[2])
    assert torch.equal(alone.control[0], made.control[2])


def test_copies_lie_where_they_were_asked_to():
    black = torch.zeros_like(PIXELS)
    patch = CornerPatch(colour=(255, 0, 0), size=0.25)
    made = Laid(patch, 0, ((0.0, 0.0), (1.0, 0.5))).apply(black, IDS)
    red = made.decoyed[0, 0] == 255
    rows, columns = np.nonzero(red.numpy())
    assert red.sum() == 2 * 12 * 12
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 46, 1, 29)
    assert not made.control[0, 0].eq(255).any(), "its control is grey"


@pytest.mark.parametrize("rotation", [15, 45, 90, -90, 180])
@pytest.mark.parametrize("side", [3, 10, 40])
def test_what_is_turned_keeps_its_longer_side(rotation, side):
    picture = CopyrightTag().picture(side)
    found = turned(picture, rotation, side)
    assert max(found.shape[:2]) == side
    if rotation == 180:
        assert np.array_equal(found, picture[::-1, ::-1])


def test_a_quarter_turn_makes_a_wide_decoy_tall():
    wide, tall = (Laid(CopyrightTag(size=0.5), by, ((0.5, 0.5),)) for by in (0, 90))
    shapes = []
    for each in (wide, tall):
        rows, columns = each.apply(PIXELS, IDS).footprint[0].nonzero(as_tuple=True)
        shapes.append((int(np.ptp(rows.numpy())), int(np.ptp(columns.numpy()))))
    assert shapes[0] == shapes[1][::-1]
    assert shapes[0][0] < shapes[0][1]


@pytest.mark.parametrize("control", CONTROLS)
def test_the_control_of_each_copy_has_none_of_its_content(control):
    grey = torch.full_like(PIXELS, 100)
    made = Laid(StopSign(control=control), 30, ((0.1, 0.1), (0.9, 0.9))).apply(grey, IDS)
    inside = made.footprint[0]
    assert not torch.equal(made.decoyed[0][:, inside], made.control[0][:, inside])


def test_pixels_of_another_type_are_refused():
    with pytest.raises(UsageError, match=r"a decoy goes on \(n, 3, h, w\) uint8 pixels"):
        Laid(StopSign(), 0, ((0, 0),)).apply(PIXELS.float(), IDS)
