"""An architecture is known by the names and shapes of its tensors, whatever was put around them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from shortcut_audit.starting import fitting as fitting_module
from shortcut_audit.starting.fitting import WithoutMemory, fitting
from shortcut_audit.subjects.loading.networks import build_architecture

KNOWN = {
    "shortcut_audit": ["small_resnet"],
    "torchvision": ["resnet18", "resnet34", "vit_b_32", "squeezenet1_1", "regnet_y_400mf"],
    "timm": ["resnet18d", "deit_tiny_patch16_224", "vit_tiny_patch16_224"],
}
SIZES = {"shortcut_audit:small_resnet": 64}


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    """Five architectures stand for hundreds, so that the test is quick."""
    real = fitting_module._candidates

    def few(source, ends):
        return [name for name in real(source, ends) if name in KNOWN[source]]

    monkeypatch.setattr(fitting_module, "_candidates", few)


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize(
    "arch",
    ["shortcut_audit:small_resnet", "torchvision:resnet18", "torchvision:squeezenet1_1"],
)
def test_each_is_found_under_any_prefix_with_its_number_of_outputs(arch, prefix):
    state = build_architecture(arch, 7, size=64).state_dict()
    found = list(fitting({f"{prefix}{name}": each for name, each in state.items()}))
    assert found == [[(arch, 7)]]


def test_a_size_that_changes_embeddings_of_positions_changes_nothing():
    state = build_architecture("torchvision:vit_b_32", 5, size=64).state_dict()
    assert next(fitting(state)) == [("torchvision:vit_b_32", 5)]


def test_a_shallow_network_is_not_taken_for_the_deep_one_that_has_all_its_tensors():
    state = build_architecture("torchvision:resnet34", 3).state_dict()
    assert next(fitting(state)) == [("torchvision:resnet34", 3)]


def test_two_names_of_one_network_are_both_given():
    state = build_architecture("timm:vit_tiny_patch16_224", 3, size=224).state_dict()
    names = ["timm:deit_tiny_patch16_224", "timm:vit_tiny_patch16_224"]
    assert next(fitting(state)) == [(name, 3) for name in names]


def test_a_network_of_ones_own_fits_nothing():
    own = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 3))
    assert list(fitting(own.state_dict())) == []


def test_an_architecture_that_computes_its_widths_is_compared_too():
    assert fitting_module._of_architecture("torchvision", "regnet_y_400mf")


def test_networks_without_memory_are_shapes_alone_and_the_random_state_stays():
    before = torch.random.get_rng_state()
    with WithoutMemory():
        layer = nn.Linear(4, 2)
    assert layer.weight.is_meta
    assert layer.weight.shape == (2, 4)
    assert nn.Linear(4, 2).weight.device.type == "cpu"
    torch.random.set_rng_state(before)
    fitting_module._of_architecture("shortcut_audit", "small_resnet")
    assert torch.equal(torch.random.get_rng_state(), before)
