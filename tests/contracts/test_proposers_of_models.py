"""What every proposer keeps that asks models, over the registry: a new one is tested by existing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from field_values import plain
from searched_squares import discovery, ground, one_that_falls

from shortcut_audit import registry
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.discovery.search import Discovery

ASKING = [
    name for name in registry.names("proposer") if registry.lookup("proposer", name).of_models
]


@pytest.fixture(params=ASKING, scope="module")
def proposer(request: pytest.FixtureRequest) -> Any:
    return registry.build("proposer", request.param, {"sources": 5, "hosts": 4})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Discovery:
    folder = tmp_path_factory.mktemp("of_models")
    return discovery(folder, one_that_falls(folder), train=24)


@pytest.fixture(scope="module")
def found(proposer: Any, made: Discovery) -> Sequence[Proposal]:
    return proposer.propose(ground(made, "F100-s0"))


def test_there_are_some() -> None:
    assert {"cut_outs", "disagreement"} <= set(ASKING)


def test_the_same_proposals_each_time(proposer: Any, made: Discovery, found: Any) -> None:
    assert found, "there is something for each to find"
    with torch.random.fork_rng():
        torch.manual_seed(9)
        assert plain(proposer.propose(ground(made, "F100-s0"))) == plain(found)


def test_only_classes_that_are_asked_for(proposer: Any, made: Discovery) -> None:
    named = {each.target for each in proposer.propose(ground(made, "F100-s0", (2,)))}
    assert named <= {"yellow"}


def test_proposals_are_whole_and_their_crops_are_cut_out_of_their_sources(
    proposer: Any, made: Discovery, found: Any
) -> None:
    scores = [each.score for each in found]
    assert scores == sorted(scores, reverse=True)
    searched = made.parts(32).search
    for each in found:
        assert each.proposer == registry.snake_case(type(proposer).__name__)
        assert (each.model, each.side, each.filter) == ("F100-s0", 32, None)
        assert each.words.strip()
        assert np.isfinite(each.score)
        assert len(set(each.sources)) == len(each.sources)
        assert each.crops.dtype == np.uint8
        assert each.crops.shape == (len(each.sources), *each.region.shape, 3)
        assert each.region.dtype == bool
        assert each.region.any()
        for source, crop in zip(each.sources, each.crops, strict=True):
            picture = searched.pixels[searched.ids.index(source)].permute(1, 2, 0).numpy()
            windows = np.lib.stride_tricks.sliding_window_view(picture, crop.shape)[:, :, 0]
            assert (windows == crop).all((2, 3, 4)).any()


def test_it_looks_at_the_searched_half_alone(proposer: Any, made: Discovery, found: Any) -> None:
    searched = set(made.parts(32).search.ids)
    assert {source for each in found for source in each.sources} <= searched


def test_progress_grows_to_the_whole(proposer: Any, made: Discovery) -> None:
    steps: list[tuple[int, int]] = []
    proposer.propose(ground(made, "F100-s0", (1, 2)), lambda *step: steps.append(step))
    assert [done for done, _ in steps] == list(range(1, steps[-1][1] + 1))
