"""Crops and flips, held against torch's own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from shortcut_audit.settings import Augmentation
from shortcut_audit.training.augmentation import DRAWS, augment

STILL = Augmentation(crop=None, horizontal_flip=False, vertical_flip=False)
PIXELS = torch.randint(
    0, 256, (6, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
DRAWN = torch.rand(6, DRAWS, generator=torch.Generator().manual_seed(1))


def test_no_crop_and_no_flips_change_nothing():
    assert torch.equal(augment(PIXELS, DRAWN, STILL), PIXELS.float() / 255)


def test_a_crop_of_the_whole_image_changes_nothing():
    whole = STILL.model_copy(update={"crop": (1.0, 1.0)})
    torch.testing.assert_close(
        augment(PIXELS, DRAWN, whole), PIXELS.float() / 255, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize(
    ("key", "column", "axis"), [("horizontal_flip", 0, 3), ("vertical_flip", 1, 2)]
)
def test_half_of_the_draws_flip(key, column, axis):
    drawn = DRAWN.clone()
    drawn[:, column] = torch.tensor([0.0, 0.49, 0.5, 0.99, 0.1, 0.9])
    flipped = augment(PIXELS, drawn, STILL.model_copy(update={key: True}))
    images = PIXELS.float() / 255
    for i, turned in enumerate([True, True, False, False, True, False]):
        assert torch.equal(flipped[i], images[i].flip(axis - 1) if turned else images[i])


@pytest.mark.parametrize(("across", "left"), [(0.0, 0), (1 / 3, 4), (1.0, 12)])
@pytest.mark.parametrize(("down", "top"), [(0.0, 0), (0.5, 4), (1.0, 8)])
def test_a_crop_is_torchs_own_resize_of_that_part(across, left, down, top):
    drawn = torch.tensor([[0.9, 0.9, 0.0, across, down]]).expand(6, -1)
    cropped = augment(PIXELS, drawn, STILL.model_copy(update={"crop": (0.25, 0.25)}))
    part = PIXELS[:, :, top : top + 8, left : left + 12].float() / 255
    resized = F.interpolate(part, (16, 24), mode="bilinear", align_corners=False)
    # at its rim a crop also reads its neighbours in the image
    inside = (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(cropped[inside], resized[inside], atol=1e-5, rtol=0)


@given(st.integers(0, 5), st.floats(0.1, 1), st.booleans(), st.booleans())
def test_an_image_depends_neither_on_its_batch_nor_on_anything_outside_0_and_1(
    i, low, horizontal, vertical
):
    settings = Augmentation(crop=(low, 1.0), horizontal_flip=horizontal, vertical_flip=vertical)
    batch = augment(PIXELS, DRAWN, settings)
    torch.testing.assert_close(
        batch[i : i + 1], augment(PIXELS[i : i + 1], DRAWN[i : i + 1], settings), atol=1e-6, rtol=0
    )
    assert batch.min() >= 0
    assert batch.max() <= 1 + 1e-6
