"""Whether an explainer works is found out: one that looks, one that is blind, one that always
points at the decoy.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from shortcut_audit import at_most
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.evidence.masks.explainers.extremal import Extremal
from shortcut_audit.evidence.sanity_networks import (
    Versions,
    margins,
    planted,
    randomised,
    sanity_masks,
)
from shortcut_audit.judging.trust import distrusted, habits, misses
from shortcut_audit.observations import ExplainerCheck

SIDE, BAIT, N = 32, 8, 40
AREA = BAIT**2 / SIDE**2
LIMIT = at_most(0.5)


def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, 2, 1),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, 3)).eval()


@pytest.fixture(scope="module")
def pictures() -> Versions:
    """Noise with a square that is half red, half white; its control is grey."""
    draw = torch.Generator().manual_seed(0)
    plain = (0.5 + 0.15 * torch.randn(N, 3, SIDE, SIDE, generator=draw)).clamp(0, 1)
    footprint = torch.zeros(N, SIDE, SIDE, dtype=torch.bool)
    named_decoy = torch.ones(3, BAIT, BAIT)
    named_decoy[1:, : BAIT // 2] = 0
    decoyed, control = plain.clone(), plain.clone()
    for i in range(N):
        row, column = torch.randint(0, SIDE - BAIT, (2,), generator=draw).tolist()
        place = slice(row, row + BAIT), slice(column, column + BAIT)
        footprint[i][place], decoyed[i, :, *place], control[i, :, *place] = True, named_decoy, 0.5
    return Versions(decoyed, control, plain, footprint)


def halves(pictures: Versions) -> tuple[Versions, Versions]:
    return pictures[torch.arange(20)], pictures[torch.arange(20, N)]


def checked(pictures: Versions, explain) -> ExplainerCheck:
    here, elsewhere = halves(pictures)
    found = sanity_masks(network(), here, elsewhere, 1, explain)
    shown = [
        mask_of_area(torch.from_numpy(found[name]), AREA).numpy()
        for name in ("planted", "randomised")
    ]
    footprint, groups = here.footprint.numpy(), np.arange(len(here.footprint))
    return ExplainerCheck(*shown, found["known"], footprint, groups)


def test_the_planted_network_sees_the_decoy_on_pictures_that_it_never_saw(pictures):
    here, elsewhere = halves(pictures)
    original = network()
    before = copy.deepcopy(original.state_dict())
    state = torch.get_rng_state()
    sighted = planted(original, elsewhere, 1, here)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in original.state_dict().items())
    assert (margins(sighted, here, 1) > 0).all(0).float().mean() >= 0.75
    assert (margins(original, here, 1) > 0).all(0).float().mean() < 0.5
    again = planted(original, elsewhere, 1, here)
    assert all(
        torch.equal(a, b) for a, b in zip(sighted.parameters(), again.parameters(), strict=True)
    )


def test_the_forgetful_network_has_other_weights_and_is_not_dead(pictures):
    original = network()
    state = torch.get_rng_state()
    one, other = (randomised(original, pictures.decoyed, seed) for seed in (1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    for a, b, c in zip(original.parameters(), one.parameters(), other.parameters(), strict=True):
        assert a.numel() <= 16 or (not torch.equal(a, b) and not torch.equal(b, c))
    assert float(one(pictures.decoyed).std(0).min()) > 0
    assert not one.training


def test_an_explainer_that_looks_is_trusted(pictures):
    def explain(network, images):
        return Extremal().explain(network, images, torch.ones(len(images), dtype=torch.int64), AREA)

    check = checked(pictures, explain)
    assert misses(check)[check.known].mean() < 0.2
    assert distrusted(check, LIMIT) == ""


def test_a_blind_explainer_is_not(pictures):
    check = checked(
        pictures,
        lambda _network, images: (
            torch.arange(SIDE**2).view(SIDE, SIDE).expand(len(images), -1, -1).float()
        ),
    )
    assert "misses the decoy in" in distrusted(check, LIMIT)


def test_an_explainer_that_always_points_at_the_decoy_is_not(pictures):
    def explain(_network, images):  # it sees the white half, whatever the network
        return nn.functional.avg_pool2d(
            images[:, 1:].amin(1, keepdim=True) + images[:, :1], 3, 1, 1
        )[:, 0]

    check = checked(pictures, explain)
    assert habits(check).mean() > 0.9
    assert "in copies of the model with random weights" in distrusted(check, LIMIT)


def test_a_copy_that_is_right_too_seldom_is_named_and_not_the_explainer():
    found = np.ones((5, 4, 4), bool)
    check = ExplainerCheck(
        found,
        found,
        known=np.array([True, False, False, False, False]),
        footprint=np.eye(4, dtype=bool)[None].repeat(5, 0),
        groups=np.arange(5),
    )
    assert distrusted(check, LIMIT) == (
        "the copy of this model that was to see nothing but the decoy is right about 1 of 5 images, too few to tell"
    )


def test_a_network_that_cannot_be_planted_says_nothing():
    here = np.zeros((5, 4, 4), bool)
    check = ExplainerCheck(here, here, np.zeros(5, bool), here, np.arange(5))
    assert np.isnan(misses(check)).all()
    assert (
        distrusted(check, LIMIT)
        == "no copy of this model could be made that sees nothing but the decoy"
    )
