"""What every proposer keeps that looks at pictures alone, over the registry: a new one is tested by
existing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import numpy as np
import pytest
import torch
from field_values import plain
from marked_pictures import ground, mark, marked, noise, reordered

from shortcut_audit import registry
from shortcut_audit.discovery.proposal import Proposal

ALONE = [
    name for name in registry.names("proposer") if not registry.lookup("proposer", name).of_models
]


@pytest.fixture(params=ALONE, scope="module")
def proposer(request: pytest.FixtureRequest) -> Any:
    return registry.build("proposer", request.param)


@pytest.fixture(scope="module")
def found(proposer: Any, pictures: Any) -> Sequence[Proposal]:
    return proposer.propose(ground(pictures))


@pytest.fixture(scope="module")
def pictures() -> Any:
    """Marks at one place in one class, at any place in another, and a third one softened."""
    made = marked(noise(), 0.8, None, 1)
    made.pixels[made.labels == 0, :, 20:29, 3:12] = mark()[:, :1, :1]
    soft = torch.nn.functional.avg_pool2d(made.pixels[made.labels == 2].float(), 3, 1, 1)
    made.pixels[made.labels == 2] = soft.to(torch.uint8)
    return made


def test_there_are_some() -> None:
    assert {"places", "recurring_patches", "image_wide"} <= set(ALONE)


@pytest.mark.parametrize("name", registry.names("proposer"))
def test_it_is_a_frozen_recipe(name: str) -> None:
    built = registry.build("proposer", name)
    assert is_dataclass(built)
    assert registry.snake_case(type(built).__name__) == name
    with pytest.raises(FrozenInstanceError):
        setattr(built, fields(built)[0].name, None)


def test_the_same_proposals_each_time_whatever_the_order(
    proposer: Any, pictures: Any, found: Any
) -> None:
    before, random = pictures.pixels.clone(), torch.get_rng_state()
    order = np.random.default_rng(3).permutation(len(pictures.labels))
    assert found, "there is something for each to find"
    again = proposer.propose(ground(reordered(pictures, order)))
    assert plain(again) == plain(found)
    assert torch.equal(pictures.pixels, before)
    assert torch.equal(torch.get_rng_state(), random)


def test_only_classes_that_are_asked_for(proposer: Any, pictures: Any) -> None:
    named = {each.target for each in proposer.propose(ground(pictures, (2,)))}
    assert named <= {pictures.classes[2]}


def test_proposals_are_whole(proposer: Any, pictures: Any, found: Any) -> None:
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    for each in found:
        assert each.proposer == registry.snake_case(type(proposer).__name__)
        assert (each.crops is None) != (each.filter is None)
        assert each.words.strip()
        assert each.model == ""
        assert each.side == pictures.pixels.shape[2]
        assert each.score >= proposer.least
        labels = {pictures.labels[pictures.ids.index(source)] for source in each.sources}
        assert labels == {pictures.classes.index(each.target)}
        assert len(set(each.sources)) == len(each.sources)


def test_crops_are_cut_out_of_their_sources(pictures: Any, found: Any) -> None:
    for each in found:
        if each.crops is None:
            continue
        assert each.crops.dtype == np.uint8
        assert each.crops.shape == (len(each.sources), *each.region.shape, 3)
        assert each.region.dtype == bool
        assert each.region.any()
        for source, crop in zip(each.sources, each.crops, strict=True):
            picture = pictures.pixels[pictures.ids.index(source)].permute(1, 2, 0).numpy()
            windows = np.lib.stride_tricks.sliding_window_view(picture, crop.shape)[:, :, 0]
            same = (windows == crop).all((2, 3, 4))
            assert same[each.corner] if each.corner else same.any()


def test_a_filter_is_a_decoy_of_the_registry(found: Any) -> None:
    for each in found:
        if each.filter is not None:
            options = {name: value for name, value in each.filter.items() if name != "kind"}
            registry.build("decoy", each.filter["kind"], options)


@pytest.mark.parametrize("each", [16, 80], ids=["few", "many"])
def test_nothing_is_proposed_on_noise(proposer: Any, each: int) -> None:
    assert list(proposer.propose(ground(noise(each, each)))) == []


def test_progress_grows_to_the_whole(proposer: Any, pictures: Any) -> None:
    steps: list[tuple[int, int]] = []
    proposer.propose(ground(pictures, (2,)), lambda done, total: steps.append((done, total)))
    assert [done for done, _ in steps] == list(range(1, steps[-1][1] + 1))
