"""A mark at one place is proposed with its place; one at any place, or on too few, is not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from marked_pictures import ground, marked, noise

from shortcut_audit.discovery.proposers.places import Places


@pytest.mark.parametrize("share", [1.0, 0.5, 0.25])
@pytest.mark.parametrize("corner", [(0, 0), (21, 12), (23, 23)])
def test_the_mark_is_found_where_it_is(share: float, corner: tuple[int, int]) -> None:
    found = Places().propose(ground(marked(noise(), share, corner)))
    assert [each.target for each in found] == ["right"]
    assert found[0].corner is not None
    shown = np.zeros((32, 32), dtype=bool)
    rows, columns = (
        slice(at, at + length)
        for at, length in zip(found[0].corner, found[0].region.shape, strict=True)
    )
    shown[rows, columns] = found[0].region
    true = np.zeros_like(shown)
    true[corner[0] : corner[0] + 9, corner[1] : corner[1] + 9] = True
    assert (shown & true).sum() > 0.5 * (shown | true).sum()


def test_the_score_is_the_share_that_certainly_wears_it() -> None:
    scores = [
        Places().propose(ground(marked(noise(), share, (3, 3))))[0].score for share in (1.0, 0.5)
    ]
    assert 0.7 < scores[0] <= 1
    assert 0.15 < scores[1] < 0.5


def test_what_every_class_wears_is_no_shortcut() -> None:
    pictures = noise()
    for label in range(3):
        pictures = marked(pictures, 1.0, (3, 3), label)
    assert Places().propose(ground(pictures)) == []


def test_a_mark_at_any_place_has_no_place() -> None:
    assert Places().propose(ground(marked(noise(), 0.5, None))) == []


def test_too_few_wear_it_to_tell() -> None:
    assert Places().propose(ground(marked(noise(20), 0.1, (3, 3)))) == []


def test_a_place_that_natural_objects_share_is_not_proposed() -> None:
    """All pictures of a class are bright or dark at one place, each in a colour of its own."""
    pictures, rng = noise(), np.random.default_rng(1)
    for i in np.flatnonzero(pictures.labels == 1):
        colour = rng.integers(0, 2, 3) * 255
        pictures.pixels[i, :, 8:16, 8:16] = torch.from_numpy(colour.astype(np.uint8))[:, None, None]
    assert Places().propose(ground(pictures)) == []


def test_no_more_than_asked() -> None:
    pictures = noise()
    for corner in ((0, 0), (0, 23), (23, 0), (23, 23)):
        pictures = marked(pictures, 1.0, corner)
    assert len(Places().propose(ground(pictures))) == 3
    assert len(Places(most=1).propose(ground(pictures))) == 1
