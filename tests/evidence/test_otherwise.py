"""Other readings of the same pictures: each is what the network would see if the manifest said so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from shortcut_audit.evidence.other_readings import MOST, NORMALISATIONS, chosen, right_otherwise
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.loading.networks import Normalised

IMAGENET, HALF, NONE, _ = NORMALISATIONS.values()
PIXELS = torch.randint(
    0, 256, (40, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
)


class Reading(torch.nn.Module):
    """Two logits from the red channel's mean as the network takes it, so that every reading has
    answers of its own.
    """

    def forward(self, images):
        red = images[:, 0].mean((1, 2))
        return torch.stack([red, torch.full_like(red, 0.02)], 1)


def candidate(mean, std, size=32) -> Candidate:
    return Candidate("net", Path("net"), size=size, mean=mean, std=std)


def answers(reading) -> np.ndarray:
    with torch.no_grad():
        return Normalised(Reading(), *reading)(PIXELS.float() / 255).argmax(1).numpy()


@pytest.mark.parametrize("told", [IMAGENET, HALF, NONE])
@pytest.mark.parametrize("trained", [IMAGENET, HALF, NONE])
def test_the_reading_that_training_had_is_right_about_all(told, trained):
    """Labels are the answers under the right normalisation; the manifest tells another one."""
    labels = answers(trained)
    found = right_otherwise(Normalised(Reading(), *told), candidate(*told), PIXELS, labels)
    words = next(name for name, each in NORMALISATIONS.items() if each == trained)
    if trained == told:
        assert words not in found
    else:
        assert found[words].mean() == 1.0


def test_sizes_are_asked_where_the_network_takes_them():
    class OfOneSize(Reading):
        def forward(self, images):
            assert images.shape[-1] == 32
            return super().forward(images)

    free = right_otherwise(Normalised(Reading(), *NONE), candidate(*NONE), PIXELS, answers(NONE))
    bound = right_otherwise(Normalised(OfOneSize(), *NONE), candidate(*NONE), PIXELS, answers(NONE))
    assert {"an input size of 16", "an input size of 64"} <= free.keys()
    assert not [words for words in bound if "size" in words]


@pytest.mark.parametrize("n", [0, 1, 299, 300, 5000])
def test_pictures_are_chosen_over_the_whole_split(n):
    found = chosen(n)
    assert len(found) == min(n, MOST)
    assert not n or (found[0], found[-1]) == (0, n - 1)
