"""Building networks by name, a stranger's factory only if trusted, and the normalisation inside."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import (
    CheckpointWrapper,
    checkpoint_wrapper,
)
from torchvision.transforms.functional import normalize

from shortcut_audit.errors import MachineError, UsageError
from shortcut_audit.subjects.loading.networks import (
    Normalised,
    build_architecture,
    without_checkpointing,
)
from shortcut_audit.subjects.loading.small_resnet import SmallResnet


def refusal(arch: str, trust_code: bool = False) -> str:
    with pytest.raises(UsageError) as caught:
        build_architecture(arch, 3, trust_code)
    return str(caught.value)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(4)), seed=st.integers(0, 99))
def test_normalised_equals_torchvision_s_normalize_and_reorders_the_outputs(
    order: list[int], seed: int
) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 4, 4))
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    images = torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    expected = model(normalize(images, list(mean), list(std)))
    torch.testing.assert_close(Normalised(model, mean, std)(images), expected)
    torch.testing.assert_close(
        Normalised(model, mean, std, tuple(order))(images), expected[:, order]
    )


def test_small_resnet_bears_the_usual_names_and_is_small() -> None:
    network = SmallResnet(5)
    usual = {"conv1", "bn1", "relu", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"}
    assert {name for name, _ in network.named_children()} == usual
    assert 250_000 < sum(each.numel() for each in network.parameters()) < 350_000
    shapes = {}
    network.layer4.register_forward_hook(lambda *io: shapes.update(layer4=tuple(io[2].shape)))
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 5)
    assert shapes["layer4"] == (2, 128, 4, 4)


def test_small_resnet_learns() -> None:
    """Red against blue in ten steps: the network, not only its shapes, works."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = SmallResnet(2)
        images = torch.rand(32, 3, 32, 32)
        labels = torch.arange(32) % 2
        images[torch.arange(32), labels * 2] += 1.0
        optimiser = torch.optim.Adam(network.parameters(), 1e-2)
        for _ in range(10):
            optimiser.zero_grad()
            loss = nn.functional.cross_entropy(network(images), labels)
            loss.backward()
            optimiser.step()
    assert (network(images).argmax(1) == labels).float().mean() > 0.95


@pytest.mark.parametrize("arch", ["resnet18", ":resnet18", "torchvision:", ""])
def test_an_arch_without_both_parts_says_how_to_write_one(arch: str) -> None:
    assert refusal(arch) == (
        f"arch '{arch}' must be SOURCE:NAME, e.g. 'torchvision:resnet18'; sources are program, shortcut_audit, timm, torchvision, transformers"
    )


def test_typos_get_hints() -> None:
    assert (
        refusal("torchvision:resnet81")
        == "torchvision has no classifier called 'resnet81'; did you mean 'resnet18'?"
    )
    assert refusal("shortcut_audit:smal_resnet").endswith("did you mean 'small_resnet'?")
    assert refusal("torchvision:qqqq").startswith(
        "torchvision has no classifier called 'qqqq'; it has "
    )
    assert refusal("torchvison:resnet18") == (
        "no source of architectures called 'torchvison'; did you mean 'torchvision'? "
        "(code of your own, 'torchvison:resnet18', needs --audit-trust-code in pytest, --trust-code elsewhere)"
    )


def test_detectors_and_segmenters_are_no_classifiers() -> None:
    assert "has no classifier called 'fcn_resnet50'" in refusal("torchvision:fcn_resnet50")


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_what_no_state_dict_holds_is_asked_for(name: str) -> None:
    assert refusal(f"torchvision:{name}") == (
        f"torchvision:{name} answers otherwise with transform_input, which no checkpoint holds; say in rashomon.yaml "
        "arch_options: {transform_input: true} if its training began with weights=..., and false if from scratch"
    )


def test_googlenet_builds_without_a_warning_and_as_it_is_told() -> None:
    for flag in (True, False):
        network = build_architecture(
            "torchvision:googlenet", 3, options={"transform_input": flag}
        ).eval()
        assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 3)
        assert network.transform_input is flag


def test_timm_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    assert (
        refusal("timm:resnet10t")
        == "timm is not installed; run: pip install 'shortcut-audit[timm]'"
    )


def test_a_stranger_s_factory_runs_only_if_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from pathlib import Path\nfrom torch import nn\nPath(__file__).with_suffix('.ran').touch()\n"
        "def linear(classes):\n    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))\n"
        "def number(classes):\n    return 7\n"
    )
    (tmp_path / "strange_factory.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert refusal("strange_factory:linear").endswith(
        "(code of your own, 'strange_factory:linear', needs --audit-trust-code in pytest, --trust-code elsewhere)"
    )
    assert not (tmp_path / "strange_factory.ran").exists()
    assert build_architecture("strange_factory:linear", 3, trust_code=True)(
        torch.zeros(2, 3, 4, 4)
    ).shape == (2, 3)
    assert refusal("strange_factory:number", trust_code=True) == (
        "arch 'strange_factory:number': number(3) must return a torch.nn.Module, not int"
    )
    assert refusal("strange_factory:linaer", trust_code=True) == (
        "arch 'strange_factory:linaer': module 'strange_factory' has no attribute 'linaer'; "
        "'strange_factory' must be importable (see PYTHONPATH) and define 'linaer'"
    )
    assert refusal("no_such_package.x:y", trust_code=True) == (
        "arch 'no_such_package.x:y': No module named 'no_such_package'; "
        "'no_such_package.x' must be importable (see PYTHONPATH) and define 'y'"
    )


def test_a_factory_takes_options_and_an_unknown_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "from torch import nn\ndef build(classes, width=4):\n    return nn.Sequential(nn.Flatten(), nn.Linear(width, classes))\n"
    (tmp_path / "wide_factory.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert build_architecture("wide_factory:build", 3, True, {"width": 12})[1].in_features == 12
    with pytest.raises(
        UsageError, match=r"'wide_factory:build' takes no 'witdh', which arch_options give"
    ):
        build_architecture("wide_factory:build", 3, True, {"witdh": 12})


def test_an_import_that_fails_inside_a_factory_s_module_is_the_machine_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_factory.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MachineError, match="No module named 'no_such_library'"):
        build_architecture("broken_factory:build", 3, trust_code=True)


@pytest.mark.parametrize("option", ["pretrained", "weights", "checkpoint_path", "num_classes"])
def test_options_bring_no_other_weights(option: str) -> None:
    with pytest.raises(UsageError, match=f"arch_options cannot have '{option}'"):
        build_architecture("torchvision:resnet18", 3, options={option: True})


def test_gradient_checkpointing_is_switched_off_and_the_answers_stay() -> None:
    timm = pytest.importorskip("timm")
    with torch.random.fork_rng(devices=[]):
        network = timm.create_model(
            "vit_tiny_patch16_224", num_classes=2, img_size=32, depth=2
        ).eval()
    images = torch.rand(2, 3, 32, 32)
    expected = network(images)
    network.set_grad_checkpointing(True)
    network.blocks[0] = checkpoint_wrapper(network.blocks[0])
    assert without_checkpointing(network) is network
    assert not network.grad_checkpointing
    assert not any(isinstance(module, CheckpointWrapper) for module in network.modules())
    torch.testing.assert_close(network(images), expected)
