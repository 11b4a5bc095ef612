"""Every source of architectures, by being registered: networks with random weights, no downloads,
and a hint after a typo.
"""

from __future__ import annotations

import socket
from typing import Any

import pytest
import torch

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.subjects.loading.heads import logits_among
from shortcut_audit.subjects.loading.networks import build_architecture

# of a source of thousands; of any other, its first
SMALL = {"timm": "resnet10t", "torchvision": "squeezenet1_1", "transformers": "mobilenet_v1"}


# the source `program` builds nothing: its networks are the files themselves
@pytest.fixture(params=[name for name in registry.names("architecture") if name != "program"])
def source(request: pytest.FixtureRequest) -> str:
    if request.param in ("timm", "transformers"):
        pytest.importorskip(request.param)
    return str(request.param)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an architecture went to the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)


def name_of(source: str) -> str:
    entry: Any = registry.build("architecture", source)
    return SMALL.get(source) or str(entry.names()[0])


def test_names_are_sorted_and_stand_there_once(source: str) -> None:
    names = registry.build("architecture", source).names()
    assert names == sorted(set(names))
    assert name_of(source) in names


@pytest.mark.parametrize("classes", [2, 7])
def test_a_network_gives_one_logit_for_each_class(source: str, classes: int) -> None:
    network = build_architecture(f"{source}:{name_of(source)}", classes).eval()
    with torch.inference_mode():
        logits = logits_among(network(torch.zeros(3, 3, 64, 64)), None, classes)
    assert logits.shape == (3, classes)
    assert torch.isfinite(logits).all()


def test_weights_are_drawn_from_the_global_generator(source: str) -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        network = build_architecture(f"{source}:{name_of(source)}", 2)
        return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])

    with torch.random.fork_rng(devices=[]):
        assert torch.equal(weights(0), weights(0))
        assert not torch.equal(weights(0), weights(1))


def test_a_typo_gets_a_hint(source: str) -> None:
    name = name_of(source)
    with pytest.raises(
        UsageError, match=f"{source} has no classifier called '{name}x'; did you mean '"
    ) as caught:
        build_architecture(f"{source}:{name}x", 2)
    assert len(str(caught.value)) < 120


@pytest.mark.parametrize("name", ["hf-hub:someone/model", "local-dir:/etc", "../../x"])
def test_names_that_would_reach_elsewhere_are_unknown(source: str, name: str) -> None:
    with pytest.raises(UsageError, match=f"{source} has no classifier called"):
        build_architecture(f"{source}:{name}", 2)
