"""Half of the training pictures are searched and the others rank, by identity alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortcut_audit.discovery.parts import LEAST, halves
from shortcut_audit.errors import DataError
from shortcut_audit.records import Pictures
from shortcut_audit.subjects.decoying.coverage import covered
from shortcut_audit.subjects.pictures.record import pictures

COUNTS = st.lists(st.integers(LEAST, 30), min_size=2, max_size=4)


def some(counts: list[int], unlabelled: int = 0, seed: int = 0, objects: bool = False) -> Pictures:
    """So many pictures of each class, and without one, in an order of this seed."""
    labels = np.repeat(np.arange(-1, len(counts)), [unlabelled, *counts])
    order = np.random.default_rng(seed).permutation(len(labels))
    # the colour of a picture says which it is
    pixels = (torch.arange(len(labels)) % 256).to(torch.uint8)[:, None, None, None]
    pixels = pixels.expand(-1, 3, 2, 2).clone()[order]
    return pictures(
        pixels,
        labels[order],
        [f"{labels[i]}/{i}" for i in order],
        [f"class {i}" for i in range(len(counts))],
        pixels[:, 0] > 3 if objects else None,
    )


@settings(max_examples=30)
@given(COUNTS, st.integers(0, 9))
def test_they_share_no_picture_and_leave_out_those_without_a_class(
    counts: list[int], unlabelled: int
) -> None:
    given_ones = some(counts, unlabelled)
    parts = halves(given_ones)
    search, rank = set(parts.search.ids), set(parts.rank.ids)
    known = {
        one for one, label in zip(given_ones.ids, given_ones.labels, strict=True) if label >= 0
    }
    assert not search & rank
    assert search | rank == known
    assert len(parts.search.ids) + len(parts.rank.ids) == len(known), "none of them twice"
    for label, count in enumerate(counts):
        assert (parts.search.labels == label).sum() == round(count / 2)


@settings(max_examples=30)
@given(COUNTS, st.integers(1, 9))
def test_which_half_follows_from_the_identity_alone(counts: list[int], seed: int) -> None:
    one, other = halves(some(counts)), halves(some(counts, seed=seed))
    more = halves(some([*counts, LEAST], seed=seed))
    assert set(one.search.ids) == set(other.search.ids)
    assert set(one.search.ids) <= set(more.search.ids), "another class moves nobody"


def test_pixels_labels_and_objects_stay_with_their_picture() -> None:
    given_ones = some([9, 12], unlabelled=3, seed=4, objects=True)
    assert given_ones.objects is not None
    parts = halves(given_ones, ())
    for half in (parts.search, parts.rank):
        assert half.objects is not None
        at = [given_ones.ids.index(identity) for identity in half.ids]
        assert torch.equal(half.pixels, given_ones.pixels[at])
        assert torch.equal(half.objects, given_ones.objects[at])
        assert half.labels.tolist() == given_ones.labels[at].tolist()


@pytest.mark.parametrize("coverage", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_decoy_on_a_share_of_a_class_is_in_both_halves(coverage: float, seed: int) -> None:
    """Who wears a decoy is drawn by identity as well, and must not be drawn alike."""
    given_ones = some([400, 20])
    own = [one for one, label in zip(given_ones.ids, given_ones.labels, strict=True) if label == 0]
    wear = {one for one, worn in zip(own, covered(own, coverage, seed), strict=True) if worn}
    searched = len(wear & set(halves(given_ones).search.ids))
    assert 0.3 * len(wear) < searched < 0.7 * len(wear)


@pytest.mark.parametrize("few", [0, 1, LEAST - 1])
def test_a_class_with_too_few_says_how_many_there_are(few: int) -> None:
    halves(some([20, few, 20]), (0, 2))  # it only lends pictures
    with pytest.raises(DataError) as caught:
        halves(some([20, few, 20]), (0, 1))
    assert str(caught.value) == (
        f"class 'class 1' has {few} training pictures, and shortcuts are sought in {LEAST} or "
        "more: name the data set's training split, give the class more, or leave it out with "
        "'discover: {classes: [...]}'"
    )
