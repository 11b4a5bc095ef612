"""What every influence method promises, over the registry: a new method is tested by existing."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from shortcut_audit import registry
from shortcut_audit.evidence.gradients.scores import ranked
from shortcut_audit.records import Labelled
from shortcut_audit.rows import Lazy
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
def pictures() -> tuple[Labelled, Labelled]:
    """Queries and training images; the first training images are the queries."""
    draw = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (10, 3, 32, 32), dtype=torch.uint8, generator=draw)
    labels = torch.arange(10) % 4
    return Labelled(pixels[:4], labels[:4]), Labelled(pixels, labels)


def part(some: Labelled, at: slice) -> Labelled:
    return Labelled(some.images[at], some.labels[at])


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


class Watched(Lazy):
    """Rows that know how many of them were asked for at once, at most."""

    most = 0

    def __getitem__(self, at: Any) -> torch.Tensor:
        found = super().__getitem__(at)
        self.most = max(self.most, len(found))
        return found


def test_training_images_that_come_in_blocks_get_the_same_scores(
    method: Any, network: nn.Module, pictures: Any
) -> None:
    queries, training = (some.images for some in pictures)
    if hasattr(method, "batch"):
        method = replace(method, batch=4)
    streamed = Watched(training.shape, lambda i: training[3 * i : 3 * i + 3], step=3)
    whole = ranked(method, network, queries, training, 1, lambda *_: None)["scores"]
    found = ranked(method, network, queries, streamed, 1, lambda *_: None)["scores"]
    np.testing.assert_array_equal(found, whole)
    if getattr(method, "streams", False):
        assert streamed.most <= 4
    else:  # it gets them as a tensor
        assert streamed.most == len(training)


def test_a_query_s_scores_do_not_depend_on_the_other_queries(
    method: Any, network: nn.Module, pictures: Any
) -> None:
    if hasattr(method, "file"):
        pytest.skip("a matrix made elsewhere has one row for each query")
    queries, training = pictures
    whole = method.scores(network, queries, training)
    alone = method.scores(network, part(queries, slice(2, 3)), training)
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
    queries, training = pictures
    scores = method.scores(network, part(queries, slice(1)), part(training, slice(m)))
    assert scores.shape == (1, m)
    assert np.isfinite(scores).all()


def test_grey_pictures_will_do(method: Any, network: nn.Module, pictures: Any) -> None:
    """Three equal channels, some pictures all black: no activation of the first layer varies, and
    no score is lost.
    """
    grey = []
    for some in pictures:
        images = some.images[:, :1].expand(-1, 3, -1, -1).clone()
        grey.append(Labelled(images, some.labels))
    grey[1].images[-1] = 0
    assert np.isfinite(method.scores(network, *grey)).all()


def test_what_is_compared_is_said_in_words_that_a_claim_can_hold(
    method: Any, network: nn.Module, pictures: Any
) -> None:
    queries, training = (some.images for some in pictures)
    found = ranked(method, network, queries, training, 1, lambda _done, _total: None)
    labels = torch.ones(10, dtype=torch.int64)
    expected = method.scores(network, Labelled(queries, labels[:4]), Labelled(training, labels))
    np.testing.assert_array_equal(found["scores"], expected)
    said = found["basis"].tobytes().decode()
    assert said.format() == said
    if hasattr(method, "layers"):
        layers = (
            method.layers or ("fc",) if "influence function" in said else ("layer3", "layer4", "fc")
        )
        assert said.endswith(f"by {', '.join(layers)}")
        assert ("loss" if "influence function" in said else method.scalar) in said


@pytest.mark.parametrize("small", [False, True], ids=["at once", "in small batches"])
def test_progress_is_reported_and_grows_to_the_whole(
    method: Any, network: nn.Module, pictures: Any, small: bool
) -> None:
    batches = [field.name for field in fields(method) if field.name == "batch"]
    if small:
        method = replace(method, **dict.fromkeys(batches, 3))
    steps: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        steps.append((done, total))

    method.scores(network, *pictures, report)
    if hasattr(method, "file"):
        assert not steps, "a matrix made elsewhere is read at once"
        return
    assert_growing(steps)
    assert len(steps) > 1 or not (small and batches)
    alone, steps[:] = list(steps), []
    ranked(method, network, *(some.images for some in pictures), 1, report)
    assert steps == alone


def assert_growing(steps: list[tuple[int, int]]) -> None:
    """The law of `report`: it is called, each time with more that is done, and at last with all."""
    assert steps, "progress is never reported"
    done, totals = zip(*steps, strict=True)
    assert list(done) == sorted(set(done))
    assert done[0] > 0
    assert set(totals) == {done[-1]}
