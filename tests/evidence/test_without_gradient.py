"""A network whose forward runs without gradients: one sentence by whatever differentiates it, and
masks by what does not.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.evidence.lent_network import require_gradient
from shortcut_audit.evidence.sanity_networks import Versions, planted
from shortcut_audit.records import Labelled
from shortcut_audit.subjects.loading.small_resnet import SmallResnet

BLACK_BOXES = ("rise", "occlusion", "lime", "shap")
WITHOUT = ("deletion", "score_matrix")


class Served(SmallResnet):
    """As people wrap a model for serving."""

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images)


class Detaching(SmallResnet):
    """Its weights can be differentiated, and its input cannot."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.detach())


@pytest.fixture(scope="module")
def served() -> Served:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Served(3).eval()


def images() -> Tensor:
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def labelled() -> Labelled:
    return Labelled((images() * 255).to(torch.uint8), torch.tensor([0, 1]))


@pytest.mark.parametrize("name", registry.names("explainer"))
def test_an_explainer_says_so_or_needs_no_gradient(served: Served, name: str) -> None:
    explainer = registry.build("explainer", name)
    if name in BLACK_BOXES:
        assert explainer.explain(served, images(), torch.tensor([0, 1]), 0.1).shape == (2, 32, 32)
        return
    with pytest.raises(
        UsageError, match=r"carry no gradient .*\{explainer: rise\} or \{explainer: occlusion\}"
    ):
        explainer.explain(served, images(), torch.tensor([0, 1]), 0.1)


@pytest.mark.parametrize(
    "name", [name for name in registry.names("influence") if name not in WITHOUT]
)
def test_an_influence_method_says_so(served: Served, name: str) -> None:
    some = labelled()
    with pytest.raises(UsageError, match=r"carry no gradient .*\{method: deletion\}"):
        registry.build("influence", name).scores(served, some, some)


def test_deletion_needs_none(served: Served) -> None:
    some = labelled()
    assert registry.build("influence", "deletion").scores(served, some, some).shape == (2, 2)


def test_no_copy_is_planted(served: Served) -> None:
    seen = Versions(images(), images(), images(), torch.zeros(2, 32, 32, dtype=torch.bool))
    with pytest.raises(UsageError, match="carry no gradient"):
        planted(served, seen, 0, seen)


def test_what_can_be_differentiated_passes_and_is_left_as_found() -> None:
    network = SmallResnet(3).train()
    before = [parameter.requires_grad for parameter in network.parameters()]
    require_gradient(network, images())
    require_gradient(network, images(), weights=True)
    assert network.training
    assert [parameter.requires_grad for parameter in network.parameters()] == before
    require_gradient(Detaching(3), images(), weights=True)
    with pytest.raises(UsageError):
        require_gradient(Detaching(3), images())
