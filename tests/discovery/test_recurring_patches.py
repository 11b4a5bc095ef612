"""A mark at any place is proposed as large as it is; things that only resemble each other are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from marked_pictures import ground, mark, marked, noise

from shortcut_audit.discovery.appearance.copies import distinct
from shortcut_audit.discovery.appearance.patches import differences, fitted, patches, reduced
from shortcut_audit.discovery.proposers.recurring_patches import RecurringPatches


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_the_mark_is_found_at_any_place_as_large_as_it_is(share: float) -> None:
    found = RecurringPatches().propose(ground(marked(noise(), share, None)))
    assert {each.target for each in found} == {"right"}
    largest = max(found, key=lambda each: each.region.sum())
    assert largest.corner is None
    assert 0.6 * 81 < largest.region.sum() < 1.5 * 81
    alike = np.abs(largest.crops.astype(int) - largest.crops[0]).mean(-1)[:, largest.region]
    assert np.median(alike) == 0


def test_at_one_place_it_has_a_corner() -> None:
    found = RecurringPatches().propose(ground(marked(noise(), 0.8, (10, 12))))
    assert found[0].corner is not None
    assert np.abs(np.subtract(found[0].corner, (10, 12))).max() <= 9


def test_large_pictures_are_cut_in_their_own_pixels() -> None:
    pictures = noise(40, side=128)
    rng, shown = np.random.default_rng(4), mark(9).repeat_interleave(4, 1).repeat_interleave(4, 2)
    for i in np.flatnonzero(pictures.labels == 1):
        top, left = 4 * rng.integers(0, 23, 2)
        pictures.pixels[i, :, top : top + 36, left : left + 36] = shown
    found = RecurringPatches().propose(ground(pictures, (1,)))
    assert found
    assert found[0].side == 128
    assert max(each.region.sum() for each in found) > 0.5 * 36**2


def test_things_in_colours_of_their_own_do_not_recur() -> None:
    pictures, rng = noise(), np.random.default_rng(1)
    for i in np.flatnonzero(pictures.labels == 1):
        top, left = rng.integers(0, 23, 2)
        colours = torch.from_numpy(rng.integers(0, 256, (2, 3, 1, 1)).astype(np.uint8))
        ring = mark()[1:2] > 100
        pictures.pixels[i, :, top : top + 9, left : left + 9] = torch.where(
            ring, colours[0], colours[1]
        )
    assert RecurringPatches().propose(ground(pictures)) == []


def test_what_every_class_contains_is_no_shortcut() -> None:
    pictures = noise()
    for label in range(3):
        pictures = marked(pictures, 1.0, None, label)
    assert RecurringPatches().propose(ground(pictures)) == []


def test_a_copy_does_not_differ_and_is_found_a_pixel_off() -> None:
    pictures = reduced(noise(4, side=64).pixels)
    query = pictures[0, :, 21:29, 31:39]
    away, corners = differences(query, pictures, torch.tensor([[20, 30]] * len(pictures)))
    assert float(away[0]) == 0
    assert corners[0].tolist() == [21, 31]
    assert float(away[1:].min()) > 0.5


def test_patches_are_where_the_contrast_is() -> None:
    pictures = torch.full((2, 3, 32, 32), 0.5)
    pictures[:, :, 12:20, 12:20] = mark(8) / 255
    basis = fitted(pictures, 4)
    corners = patches(pictures, basis).corners[:, :20]
    assert ((corners > 8) & (corners < 20)).all()


def test_nothing_found_is_nothing_distinct() -> None:
    assert list(distinct([], 8)) == []
