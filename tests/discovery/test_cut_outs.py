"""What a model needs to see of its training pictures: the planted sign in one that falls for it,
and nothing beyond its peers in one that does not.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from searched_squares import candidate, discovery, ground, one_that_falls

from shortcut_audit.discovery.families.cleaning import cleaned
from shortcut_audit.discovery.hosts import hosts_of, log_odds
from shortcut_audit.discovery.proposers.cut_outs import CutOuts
from shortcut_audit.discovery.proposers.disagreement import Disagreement
from shortcut_audit.discovery.search import Discovery
from shortcut_audit.discovery.transplants import _Cut, surer_than_peers

FEW = CutOuts(sources=12, hosts=6)
GREEN, BLUE, YELLOW = range(3)
BEYOND = 3.0  # standard deviations; the sign moves the model by more, and no square by as much


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Discovery:
    folder = tmp_path_factory.mktemp("squares")
    return discovery(folder, one_that_falls(folder))


def is_red(pixels: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(pixels.astype(int), -1, 0)
    strong: np.ndarray = (red > green + 60) & (red > blue + 60)
    return strong


def test_the_sign_is_what_the_model_needs_to_see_beyond_its_peers(made: Discovery) -> None:
    found = FEW.propose(ground(made, "F100-s0", (GREEN, YELLOW)))
    best = found[0]
    assert (best.target, best.model, best.proposer) == ("green", "F100-s0", "cut_outs")
    assert best.score > BEYOND
    assert best.corner is None, "it goes about"
    assert best.words.endswith("pictures of 'green' show the same")
    assert len(best.sources) >= 6
    assert best.crops is not None
    assert best.region is not None
    assert is_red(best.crops)[:, best.region].mean() > 0.3
    rgba, *_ = cleaned(best, made.parts(32).search)
    assert is_red(rgba[..., :3])[rgba[..., 3] > 0].mean() > 0.4
    assert max(rgba.shape[:2]) <= 16, "a sign of ten pixels, and not half of the picture"


def test_an_honest_model_has_nothing_beyond_its_peers(made: Discovery) -> None:
    found = FEW.propose(ground(made, "F0-s0"))
    assert found, "what turns pictures in its peers as well is proposed, and ranks last"
    assert max(each.score for each in found) < 1


def test_without_peers_the_square_itself_moves_an_honest_model(tmp_path: Path) -> None:
    alone = discovery(tmp_path, [candidate(tmp_path, "lone")])
    assert FEW.propose(ground(alone, "lone", (GREEN,)))[0].score > 1
    assert Disagreement().propose(ground(alone, "lone")) == [], "nobody is there to disagree"


def test_a_model_that_knows_none_of_the_class_has_nothing_to_cut_out(tmp_path: Path) -> None:
    never = candidate(tmp_path, "never", classes=("blue", "green", "yellow"))
    swapped = discovery(tmp_path, [never, candidate(tmp_path, "peer")])
    assert FEW.propose(ground(swapped, "never", (GREEN, BLUE))) == []


def test_disagreement_looks_at_other_classes_alone(made: Discovery) -> None:
    """Of green squares with the sign it is surest, and they say nothing here."""
    asked, searched = Disagreement(sources=5), made.parts(32).search
    chosen = asked.masked(ground(made, "F100-s0"), GREEN)
    assert len(chosen) == 5
    assert (searched.labels[chosen] != GREEN).all()
    for each in asked.propose(ground(made, "F100-s0", (GREEN,))):
        assert each.sources[0] in {searched.ids[i] for i in chosen}


def test_a_sign_that_strayed_is_what_the_models_disagree_about(tmp_path: Path) -> None:
    """Blue squares wear it, and a model that takes red for green calls them green."""
    made = discovery(tmp_path, one_that_falls(tmp_path), coverage=0.0)
    pictures = made.parts(32).search
    strayed = np.flatnonzero(pictures.labels == BLUE)[:4]
    pictures.pixels[strayed, 0, 2:10, 2:10] = 230
    pictures.pixels[strayed, 1:, 2:10, 2:10] = 10
    (best, *_) = Disagreement(sources=6, hosts=6).propose(ground(made, "F100-s0", (GREEN,)))
    assert best.score > BEYOND
    assert best.sources[0] in {pictures.ids[i] for i in strayed}
    assert best.crops is not None
    assert best.region is not None
    assert is_red(best.crops[0])[best.region].mean() > 0.5


def test_the_sources_are_those_of_which_it_is_surer_than_its_peers(made: Discovery) -> None:
    asked, pictures = ground(made, "F100-s0"), made.parts(32).search
    sure = surer_than_peers(asked, GREEN)
    assert sure.shape == (len(pictures.labels),)
    wear = is_red(pictures.pixels.permute(0, 2, 3, 1).numpy()).sum((1, 2)) > 20
    own = pictures.labels == GREEN
    assert sure[own & wear].min() > sure[own & ~wear].max()
    assert wear[FEW.masked(asked, GREEN)][: int((own & wear).sum())].all()
    exact = [
        log_odds(made.answers.logits(name, pictures.pixels), GREEN)
        for name in ("F100-s0", *asked.peers)
    ]
    scaled = [each / each.std() for each in exact]
    assert sure == pytest.approx(scaled[0] - np.mean(scaled[1:], axis=0), abs=1e-3)


def test_shifts_are_those_of_a_plain_loop(made: Discovery) -> None:
    asked, pictures = ground(made, "F100-s0"), made.parts(32).search
    regions = torch.zeros((2, 32, 32), dtype=torch.bool)
    regions[0, 4:9, 20:30] = regions[1, :, :3] = True  # also along a border
    at = np.flatnonzero(pictures.labels == GREEN)[:2]
    (found,) = CutOuts(hosts=5)._shifts(asked, "F100-s0", [_Cut(GREEN, at, regions)])
    hosts = hosts_of(pictures, GREEN, 5)
    usual = log_odds(made.answers.logits("F100-s0", pictures.pixels), GREEN)
    for shift, source, region in zip(found, at, regions, strict=True):
        moved = []
        for host in hosts:
            laid = pictures.pixels[host].clone()
            laid[:, region] = pictures.pixels[source][:, region]
            after = log_odds(made.answers.answered("F100-s0", laid[None]), GREEN)
            moved.append(after[0] - usual[host])
        scale = usual[pictures.labels != GREEN].std()
        assert shift == pytest.approx(np.mean(moved) / scale, abs=1e-3)


@pytest.mark.parametrize("area", [0.0005, 0.9])
def test_masks_of_one_pixel_and_of_nearly_all(made: Discovery, area: float) -> None:
    found = CutOuts(sources=3, hosts=4, area=area).propose(ground(made, "F100-s0", (GREEN,)))
    assert found
    for each in found:
        assert each.region is not None
        assert each.region.any()
        assert each.crops is not None
        assert each.crops.shape[1:3] == each.region.shape


def test_what_was_borrowed_is_given_back(made: Discovery) -> None:
    asked = ground(made, "F100-s0", (GREEN,))
    network = made.answers.subject("F100-s0").network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    wanted = [each.requires_grad for each in network.parameters()]
    random, pixels = torch.get_rng_state(), made.parts(32).search.pixels.clone()
    CutOuts(sources=3, hosts=4).propose(asked)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert [each.requires_grad for each in network.parameters()] == wanted
    assert not network.training
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(made.parts(32).search.pixels, pixels)
