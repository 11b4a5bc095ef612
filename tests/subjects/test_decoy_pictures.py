"""What the drawn decoys look like: each is what its name says, at any size that a picture has."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from shortcut_audit import UsageError
from shortcut_audit.subjects.decoys.band_aid import BandAid
from shortcut_audit.subjects.decoys.coloured_border import ColouredBorder
from shortcut_audit.subjects.decoys.corner_patch import CornerPatch, class_colour
from shortcut_audit.subjects.decoys.hospital_token import HospitalToken
from shortcut_audit.subjects.decoys.ruler import TICKS, Ruler

PLAIN = torch.full((1, 3, 64, 64), 90, dtype=torch.uint8)


@pytest.mark.parametrize(
    "decoy", [ColouredBorder(), CornerPatch(), HospitalToken(), Ruler(), BandAid()], ids=repr
)
@pytest.mark.parametrize("side", [1, 2, 7, 40, 160])
def test_the_longer_side_is_as_asked(decoy, side):
    picture = decoy.picture(side)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 4
    assert max(picture.shape[:2]) == side
    assert picture[..., 3].max() > 60


def test_a_border_is_a_frame_and_leaves_the_picture_in_it_alone():
    made = ColouredBorder(width=0.1).apply(PLAIN, ("a",))
    frame = np.ones((64, 64), dtype=bool)
    frame[6:-6, 6:-6] = False
    assert np.array_equal(made.footprint[0].numpy(), frame)
    assert made.decoyed[0][:, made.footprint[0]].unique(dim=1).T.tolist() == [
        list(ColouredBorder().colour)
    ]


def test_a_patch_bears_its_classs_own_colour():
    names = ("cat", "fish", "house", "car", "tree")
    assert len({class_colour(name) for name in names}) == len(names)
    assert tuple(CornerPatch(target="cat").picture(4)[0, 0, :3]) == class_colour("cat")
    assert tuple(CornerPatch(target="cat", colour=(200, 0, 9)).picture(4)[0, 0, :3]) == (200, 0, 9)
    assert all(max(class_colour(str(i))) - min(class_colour(str(i))) > 150 for i in range(300))


@pytest.mark.parametrize("decoy", [ColouredBorder, CornerPatch])
def test_a_colour_that_its_grey_control_would_equal_is_refused(decoy):
    with pytest.raises(
        UsageError,
        match=r"^a decoy's colour cannot be nearly grey as \[90, 100, 110\] is: its control is grey;",
    ):
        decoy(colour=(90, 100, 110))


def test_a_token_is_white_letters_and_its_footprint_is_a_block():
    letters = HospitalToken().picture(160)
    bright = (letters[..., :3].min(-1) > 200) & (letters[..., 3] > 200)
    _, count = ndimage.label(bright)
    assert count == len("LPORT")
    made = HospitalToken().apply(PLAIN, ("a",)).footprint[0].numpy()
    rows, columns = np.flatnonzero(made.any(1)), np.flatnonzero(made.any(0))
    assert made.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1), (
        "a silhouette of a large letter could be read"
    )
    assert not np.array_equal(letters, HospitalToken(text="R PORT").picture(160))


def test_a_ruler_has_as_many_ticks_as_it_should_and_every_fifth_is_long():
    dark = Ruler().picture(300)[..., :3].max(-1) < 100
    assert ndimage.label(dark[2])[1] == TICKS
    assert ndimage.label(dark[int(0.8 * len(dark))])[1] == TICKS // 5


def test_a_plaster_slants_and_has_a_pad_and_eight_holes():
    plaster = BandAid().picture(200)
    solid = plaster[..., 3] > 128
    assert solid[plaster.shape[0] // 2, plaster.shape[1] // 2]
    assert not solid[[0, -1], [0, -1]].any(), "it rises from the lower left to the upper right"
    holes = solid & (plaster[..., 0] < 180)
    assert ndimage.label(holes)[1] == 8
