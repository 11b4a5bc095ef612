"""What every influence method promises, over the registry: a new method is tested by existing."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from shortcut_audit import registry
from shortcut_audit.evidence.gradients.scores import ranked
from shortcut_audit.subjects.loading.networks import Normalised
from shortcut_audit.subjects.loading.small_resnet import SmallResnet

METHODS = registry.names("influence")
BATCH_SIZES = {"batch": 1, "query_block": 16}


@pytest.fixture(scope="module")
def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Normalised(SmallResnet(4), (0.5,) * 3, (0.25,) * 3)


@pytest.fixture(scope="module")
def pictures() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Queries, their labels, training images and theirs; the first training images are the queries."""
    draw = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (10, 3, 32, 32), dtype=torch.uint8, generator=draw)
    labels = torch.arange(10) % 4
    return pixels[:4], labels[:4], pixels, labels


@pytest.fixture(params=METHODS)
def method(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    built = registry.lookup("influence", request.param)()
    if hasattr(built, "file"):  # a matrix made elsewhere: any of the right shape will do
        np.save(
            tmp_path / "scores.npy",
            np.random.default_rng(0).normal(size=(4, 10)).astype(np.float32),
        )
        built = replace(built, file=tmp_path / "scores.npy")
    return built


def test_there_are_methods() -> None:
    assert "gradient_cosine" in METHODS


def test_it_is_a_frozen_recipe(method: Any) -> None:
    assert is_dataclass(method)
    assert type(method).__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert registry.snake_case(type(method).__name__) in METHODS
    assert all(f"{field.name}=" in repr(method) for field in fields(method) if field.repr)


def test_scores_are_q_by_m_float32_finite_and_the_same_twice(
    method: Any, network: nn.Module, pictures: Any
) -> None:
    before = torch.get_rng_state()
    scores = method.scores(network, *pictures)
    assert scores.shape == (4, 10)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert scores.std() > 0
    np.testing.assert_array_equal(scores, method.scores(network, *pictures))
    assert torch.equal(before, torch.get_rng_state())


def test_batch_sizes_do_not_matter(method: Any, network: nn.Module, pictures: Any) -> None:
    sizes = [field.name for field in fields(method) if field.name in BATCH_SIZES]
    whole = method.scores(network, *pictures)
    for factor in (1, 3):
        scores = replace(method, **{name: BATCH_SIZES[name] * factor for name in sizes}).scores(
            network, *pictures
        )
        np.testing.assert_allclose(scores, whole, rtol=1e-3, atol=1e-5 * np.abs(whole).max())


def test_a_query_s_scores_do_not_depend_on_the_other_queries(
    method: Any, network: nn.Module, pictures: Any
) -> None:
    if hasattr(method, "file"):
        pytest.skip("a matrix made elsewhere has one row for each query")
    queries, labels, *training = pictures
    whole = method.scores(network, *pictures)
    alone = method.scores(network, queries[2:3], labels[2:3], *training)
    np.testing.assert_allclose(alone, whole[2:3], rtol=1e-3, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("training_mode", [True, False])
def test_the_network_comes_back_as_it_was(
    method: Any, network: nn.Module, pictures: Any, training_mode: bool
) -> None:
    network.train(training_mode)
    network.model.bn1.eval()
    network.model.fc.weight.requires_grad_(False)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    flags = [(parameter.requires_grad, parameter.grad) for parameter in network.parameters()]
    modes = [module.training for module in network.modules()]
    method.scores(network, *pictures)
    assert modes == [module.training for module in network.modules()]
    assert flags == [
        (parameter.requires_grad, parameter.grad) for parameter in network.parameters()
    ]
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    for module in network.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
    network.model.fc.weight.requires_grad_(True)


@pytest.mark.parametrize("m", [1, 10])
def test_one_query_and_one_training_image_will_do(
    method: Any, network: nn.Module, pictures: Any, m: int
) -> None:
    if hasattr(method, "file"):
        np.save(method.file, np.ones((1, m)))
    queries, labels, training, training_labels = pictures
    scores = method.scores(network, queries[:1], labels[:1], training[:m], training_labels[:m])
    assert scores.shape == (1, m)
    assert np.isfinite(scores).all()


def test_grey_pictures_will_do(method: Any, network: nn.Module, pictures: Any) -> None:
    """Three equal channels, some pictures all black: no activation of the first layer varies, and
    no score is lost.
    """
    queries, labels, training, training_labels = pictures
    grey = training[:, :1].expand(-1, 3, -1, -1).clone()
    grey[-1] = 0
    assert np.isfinite(
        method.scores(network, queries[:, :1].expand(-1, 3, -1, -1), labels, grey, training_labels)
    ).all()


def test_what_is_compared_is_said_in_words_that_a_claim_can_hold(
    method: Any, network: nn.Module, pictures: Any
) -> None:
    found = ranked(method, network, pictures[0], pictures[2], 1, lambda _done, _total: None)
    labels = torch.ones(10, dtype=torch.int64)
    np.testing.assert_array_equal(
        found["scores"], method.scores(network, pictures[0], labels[:4], pictures[2], labels)
    )
    said = found["basis"].tobytes().decode()
    assert said.format() == said
    if hasattr(method, "layers"):
        layers = (
            method.layers or ("fc",) if "influence function" in said else ("layer3", "layer4", "fc")
        )
        assert said.endswith(f"by {', '.join(layers)}")
        assert ("loss" if "influence function" in said else method.scalar) in said


def test_progress_ends_at_the_whole(method: Any, network: nn.Module, pictures: Any) -> None:
    steps: list[tuple[int, int]] = []
    method.scores(network, *pictures, lambda done, total: steps.append((done, total)))
    if steps:
        assert steps[-1][0] == steps[-1][1]
        assert all(done <= total for done, total in steps)
