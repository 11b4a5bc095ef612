"""What every explainer keeps, ours and a user's: it finds the named_decoy, leaves the network as found,
and its output has one form.
"""

from __future__ import annotations

import copy
from dataclasses import FrozenInstanceError, fields, is_dataclass

import pytest
import torch
from torch import Tensor, nn

from shortcut_audit import registry
from shortcut_audit.evidence.masks.area import mask_of_area

SIDE, BAIT = 32, 8
AREA = BAIT**2 / SIDE**2

explainers = pytest.mark.parametrize("name", registry.names("explainer"))


def planted() -> nn.Module:
    """Class 0 is "there is something red" and nothing else; class 1 never changes."""
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 2),
    )
    convolution, norm, head = network[0], network[1], network[5]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        convolution.weight[0, :, 1, 1] = torch.tensor([2.0, -1.0, -1.0])
        convolution.bias[0] = -0.5
        norm.weight.fill_(2.0)
        norm.running_var.fill_(4.0)
        head.weight[0, 0] = 40.0
    return network


def baited(n: int) -> tuple[Tensor, Tensor]:
    """Grey noise (n, 3, h, w) with a red square at a place of its own, and where it is, (n, h, w)
    bool.
    """
    generator = torch.Generator().manual_seed(3)
    images = (
        (0.5 + 0.1 * torch.randn(n, 1, SIDE, SIDE, generator=generator))
        .clamp(0, 1)
        .repeat(1, 3, 1, 1)
    )
    where = torch.zeros(n, SIDE, SIDE, dtype=torch.bool)
    for i in range(n):
        row, column = torch.randint(0, SIDE - BAIT, (2,), generator=generator).tolist()
        where[i, row : row + BAIT, column : column + BAIT] = True
    images = torch.where(where[:, None], torch.tensor([1.0, 0.0, 0.0])[:, None, None], images)
    return images, where


@pytest.fixture(params=registry.names("explainer"))
def explainer(request):
    return registry.build("explainer", request.param)


@explainers
def test_an_explainer_is_a_frozen_recipe(name):
    entry = registry.lookup("explainer", name)
    assert is_dataclass(entry)
    assert registry.snake_case(entry.__name__) == name
    built = entry()
    assert repr(built) == repr(entry())
    if fields(built):
        with pytest.raises(FrozenInstanceError):
            setattr(built, fields(built)[0].name, None)


def test_the_mask_lies_on_the_bait(explainer):
    images, where = baited(4)
    masks = explainer.explain(planted().eval(), images, torch.zeros(4, dtype=torch.int64), AREA)
    shown = mask_of_area(masks, AREA)
    on_bait = (shown & where).sum((1, 2)) / shown.sum((1, 2))
    assert on_bait.mean() > 5 * AREA


def test_masks_have_one_form(explainer):
    images, _ = baited(3)
    progress: list[tuple[int, int]] = []
    targets = torch.tensor([0, 1, 0])
    masks = explainer.explain(
        planted().eval(), images, targets, 0.1, lambda done, total: progress.append((done, total))
    )
    assert masks.shape == (3, SIDE, SIDE)
    assert masks.dtype == torch.float32
    assert not masks.requires_grad
    assert bool(torch.isfinite(masks).all())
    assert bool((masks >= 0).all())
    assert bool((masks <= 1).all())
    assert progress[-1] == (3, 3)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert mask_of_area(masks, 0.1).sum((1, 2)).tolist() == [round(0.1 * SIDE**2)] * 3


def test_the_network_is_given_back_as_it_was(explainer):
    network = planted().train()
    network[2].eval()
    network[5].weight.requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    images, _ = baited(2)
    kept, state = images.clone(), torch.get_rng_state()
    explainer.explain(network, images, torch.zeros(2, dtype=torch.int64), 0.1)
    assert [module.training for module in network] == [True, True, False, True, True, True]
    flags = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert flags == {"5.weight"}
    assert all(parameter.grad is None for parameter in network.parameters())
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    assert not any(getattr(module, each) for module in network.modules() for each in hooks)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(images, kept)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_an_image_does_not_feel_its_neighbours(explainer):
    images, _ = baited(3)
    network, targets = planted().eval(), torch.zeros(3, dtype=torch.int64)
    together = explainer.explain(network, images, targets, 0.1)
    assert torch.equal(together, explainer.explain(network, images, targets, 0.1)), (
        "not deterministic"
    )
    for i in range(3):
        alone = explainer.explain(network, images[i : i + 1], targets[i : i + 1], 0.1)
        assert torch.allclose(together[i : i + 1], alone, atol=1e-4)
