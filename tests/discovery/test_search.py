"""A whole search: what is planted is proposed and nothing else, it is kept, and whoever cannot be
asked ends nobody else's search.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from field_values import plain
from planted import ColourNet
from safetensors.torch import save_file
from searched_squares import RED, candidate, discovery, one_that_falls

from shortcut_audit.discovery.asked import discovery_of, unnamed
from shortcut_audit.discovery.families.family import Family, Rate
from shortcut_audit.discovery.parts import LEAST
from shortcut_audit.discovery.search import PEERS, Discovery
from shortcut_audit.errors import DataError, ModelError, UsageError
from shortcut_audit.settings import Discover

SIGN = "unnamed_green_1"


def beyond(made: Discovery, model: str) -> list[Family]:
    """What is proposed of a model because it does more there than in any peer."""
    return [each for each in made.proposed(model) if each.beyond >= made.settings.beyond]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("search")


@pytest.fixture(scope="module")
def made(folder: Path) -> Discovery:
    return discovery(folder, one_that_falls(folder))


def test_the_planted_sign_is_proposed(made: Discovery) -> None:
    found = made.named()[SIGN]
    assert (found.target, found.model, found.proposers) == ("green", "F100-s0", ("cut_outs",))
    assert found.own > 0.9
    assert found.peers < 0.1
    assert set(found.rates) == {"F100-s0", "F0-s0", "F0-s1"}
    assert found.recurs >= 6
    assert found.rgba is not None
    shown = found.rgba[found.rgba[..., 3] > 0].astype(int)
    assert (shown[:, 0] > shown[:, 1] + 60).mean() > 0.4, "most of a stop sign is red"
    assert len(beyond(made, "F100-s0")) <= made.settings.most


def test_an_honest_model_has_nothing_beyond_its_peers(made: Discovery) -> None:
    assert made.families("F0-s0"), "parts of the squares are tried"
    assert beyond(made, "F0-s0") == []


def test_models_that_all_share_it_have_nothing_beyond_each_other(tmp_path: Path) -> None:
    made = discovery(tmp_path, [candidate(tmp_path, f"m{i}", RED) for i in range(2)], train=24)
    assert [beyond(made, name) for name in made.searched()] == [[], []]


def test_a_search_is_kept_and_asks_no_network_again(
    folder: Path, made: Discovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = plain(made.families("F100-s0"))
    again = discovery(folder, list(made.answers.candidates.values()))
    monkeypatch.setattr(type(again.answers), "subject", None)  # whoever loads a model fails
    assert plain(again.families("F100-s0")) == first
    assert list(again.named()) == list(made.named())


def test_it_is_the_same_where_nothing_can_be_kept(
    tmp_path: Path, folder: Path, made: Discovery
) -> None:
    (tmp_path / "store").write_text("a file stands where the folder should be")
    again = discovery(tmp_path, list(made.answers.candidates.values()))
    torch.manual_seed(3)
    assert plain(again.families("F100-s0")) == plain(made.families("F100-s0"))
    assert again.answers.store.problems


@pytest.mark.parametrize(
    "change",
    [{"hosts": 20}, {"classes": ("green",)}, {"proposers": {"places": {}}}],
    ids=lambda each: next(iter(each)),
)
def test_other_settings_are_another_search(folder: Path, made: Discovery, change: Any) -> None:
    other = discovery(folder, list(made.answers.candidates.values()), **change)
    assert plain(other.families("F100-s0")) != plain(made.families("F100-s0"))


def test_a_checkpoint_under_another_name_is_named_as_it_is_now(
    folder: Path, made: Discovery
) -> None:
    made.families("F100-s0")
    models = [
        replace(each, name="renamed") if each.name == "F100-s0" else each
        for each in made.answers.candidates.values()
    ]
    found = discovery(folder, models).families("renamed")
    assert {each.model for each in found} == {"renamed"}
    assert not any("F100-s0" in each.words or "F100-s0" in each.rates for each in found)


def test_only_classes_that_are_asked_for(folder: Path, made: Discovery) -> None:
    other = discovery(folder, list(made.answers.candidates.values()), classes=("yellow",))
    assert other.targets() == (2,)
    assert {each.target for each in other.families("F100-s0")} <= {"yellow"}
    assert SIGN not in other.named()


def test_a_class_that_is_none_is_said_and_not_passed_over(folder: Path, made: Discovery) -> None:
    other = discovery(folder, list(made.answers.candidates.values()), classes=("gren",))
    said = "shortcuts into 'gren' cannot be sought: it is no class of the data set; did you mean 'green'?"
    for asked in (other.named, lambda: other.families("F100-s0")):
        with pytest.raises(UsageError) as caught:
            asked()
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("proposers", "said"),
    [
        ({"cut_out": {}}, "no proposer called 'cut_out'; did you mean 'cut_outs'?"),
        ({"cut_outs": {"source": 3}}, "proposer 'cut_outs' has no option 'source'"),
        ({"cut_outs": {"sources": "x"}}, "proposer 'cut_outs': option 'sources' cannot be 'x'"),
    ],
)
def test_a_proposer_that_is_none_is_said_and_not_passed_over(
    folder: Path, made: Discovery, proposers: Any, said: str
) -> None:
    other = discovery(folder, list(made.answers.candidates.values()), proposers=proposers)
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        other.named()


def test_classes_are_named_in_any_form_of_unicode() -> None:
    apart = unicodedata.normalize("NFD", "né")
    assert Discover(classes=(apart,)).classes == ("né",)


def test_too_few_training_pictures_are_said(tmp_path: Path) -> None:
    made = discovery(tmp_path, one_that_falls(tmp_path), train=1)
    with pytest.raises(DataError) as caught:
        made.named()
    assert str(caught.value) == (
        f"class 'green' has 1 training pictures, and shortcuts are sought in {LEAST} or more: "
        "name the data set's training split, give the class more, or leave it out with "
        "'discover: {classes: [...]}'"
    )


def broken(folder: Path) -> Iterator[Any]:
    """A file that is no checkpoint, one that is cut off later on, and one that answers NaN."""
    cut = candidate(folder, "cut", reference=True)
    cut.file.write_bytes(cut.file.read_bytes()[:-8])
    net = ColourNet(0.0)
    with torch.no_grad():
        net.fc.bias.fill_(float("nan"))
    nan = candidate(folder, "nan", reference=True)
    save_file(net.state_dict(), nan.file)
    yield cut
    yield nan
    yield candidate(
        folder, "undescribed", reference=True, problem="its file is corrupt", broken=True
    )


def test_a_peer_that_cannot_be_asked_ends_nobody_elses_search(tmp_path: Path) -> None:
    made = discovery(tmp_path, [*broken(tmp_path), *one_that_falls(tmp_path)])
    found = made.named()[SIGN]
    assert set(found.rates) == {"F100-s0", "F0-s0", "F0-s1"}


def test_a_model_that_cannot_be_asked_is_passed_over_and_says_why_itself(tmp_path: Path) -> None:
    bad = [replace(each, reference=False) for each in broken(tmp_path)]
    made = discovery(tmp_path, [*bad, *one_that_falls(tmp_path)])
    assert SIGN in made.named()
    for each in bad:
        with pytest.raises(ModelError, match=each.name):
            made.families(each.name)


def test_without_peers_nothing_is_proposed(tmp_path: Path) -> None:
    """Its own squares turn pictures in any honest model, and nothing says that it is one."""
    made = discovery(tmp_path, [candidate(tmp_path, "lone")])
    assert made.peers("lone") == ()
    assert max(each.own for each in made.families("lone")) > 0.1
    assert made.proposed("lone") == []
    assert made.named() == {}


def test_who_is_searched_and_who_is_asked_beside_it(tmp_path: Path) -> None:
    references = [candidate(tmp_path, f"r{i}", reference=True) for i in range(6)]
    others = [candidate(tmp_path, f"m{i}") for i in range(2)]
    large = candidate(tmp_path, "large", size=48)
    described = candidate(tmp_path, "bad", reference=True, problem="it is corrupt")
    made = discovery(tmp_path, [described, *references, *others, large])
    assert made.searched() == ["m0", "m1", "large"]
    assert made.peers("m0") == ("r0", "r1", "r2", "r3", "r4", "r5")
    assert made._able("m0", made.parts(32)) == ("r0", "r1", "r2", "r3")
    assert len(made._able("m0", made.parts(32))) == PEERS
    assert made.peers("r1") == ("r0", "r2", "r3", "r4", "r5")
    assert made.peers("large") == (), "nobody else takes its size"
    larger = replace(others[0], name="larger", size=48)
    assert discovery(tmp_path, [*references, large, larger]).peers("large") == ("larger",)
    assert discovery(tmp_path, references).searched() == [each.name for each in references]
    assert discovery(tmp_path, others).peers("m0") == ("m1",), "where nothing is a reference"


def test_one_thing_in_two_models_has_one_name_and_two_things_of_a_class_have_two(
    made: Discovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Discovery(made.answers, made.settings)
    sign = made.named()[SIGN]
    assert sign.rgba is not None
    look = np.random.default_rng(0).integers(0, 256, (9, 9, 4), np.uint8) | np.uint8(3)
    found = {
        "a": (sign,),
        "b": (replace(sign, model="b"), replace(sign, rgba=look), replace(sign, target="blue")),
    }
    monkeypatch.setattr(other, "searched", lambda: list(found))
    monkeypatch.setattr(other, "proposed", lambda model: found[model])
    named = other.named()
    assert list(named) == [SIGN, "unnamed_green_2", "unnamed_blue_1"]
    assert named[SIGN].model == sign.model, "as it was seen first"


def test_the_validation_pictures_are_not_looked_at(
    tmp_path: Path, made: Discovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are for those who confirm; a model is only tried on a few of them when it is loaded."""
    asked, (taken, *_) = [], made.answers.candidates
    other = discovery(tmp_path, list(made.answers.candidates.values()), train=24)
    pictures = other.answers.material.pictures
    monkeypatch.setattr(
        other.answers.material,
        "pictures",
        lambda split, size: asked.append(split) or pictures(split, size),
    )
    monkeypatch.setattr(other.answers, "_load", made.answers._load)
    other.families(taken)
    assert set(asked) == {"train"}


def test_what_is_proposed_recurs_and_is_beyond_and_so_many_of_a_class(
    made: Discovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign = made.named()[SIGN]

    def of(own: float, peer: float, recurs: int = 6, target: str = "green") -> Family:
        rates = {"m": Rate(own, 0.0), "p": Rate(peer, 0.0)}
        sources = tuple(str(i) for i in range(recurs))
        return replace(sign, model="m", rates=rates, sources=sources, target=target)

    families = (
        of(0.45, 0.0),
        of(0.4, 0.0, 5),
        of(0.4, 0.1),
        of(0.3, 0.0),
        of(0.2, 0.0, 9, "blue"),
        of(0.15, 0.1),
        replace(of(0.9, 0.0), rates={"m": Rate(0.9, 0.0)}),
    )
    other = Discovery(made.answers, made.settings)
    monkeypatch.setattr(other, "families", lambda _model: families)
    found = other.proposed("m")
    assert [each.own for each in found if each.target == "green"] == [0.45, 0.4]
    assert [each.own for each in found if each.target == "blue"] == [0.2]


def test_models_of_two_sizes_are_asked_about_the_same_things(tmp_path: Path) -> None:
    models = one_that_falls(tmp_path)
    small = replace(models[-1], name="small", size=24)
    made = discovery(tmp_path, [*models, small], shared=True)  # one alone of its size
    asked = [unnamed(made.answers, model) for model in ("F100-s0", "F0-s0", "small")]
    assert {each.name for each in asked[0]} >= {SIGN}
    assert [[each.name for each in found] for found in asked] == [
        list(discovery_of(made.answers).named())
    ] * 3
    for found in asked:
        sign = next(each for each in found if each.name == SIGN)
        assert (sign.target, sign.target_index, len(sign.labels)) == ("green", 0, 60)
        assert sign.decoyed.shape == sign.control.shape == (60, 3)
    turned = [
        np.mean(next(e for e in found if e.name == SIGN).decoyed.argmax(1) == 0) for found in asked
    ]
    assert turned[0] > 0.9, "on pictures that no search has seen"
    assert turned[1] < 0.5
    assert turned[2] > 0.9


def test_it_is_searched_once_for_a_run(made: Discovery) -> None:
    assert discovery_of(made.answers) is discovery_of(made.answers)


def test_a_run_that_does_not_ask_for_it_says_how_to(made: Discovery) -> None:
    answers = type(made.answers)(
        made.answers.scenario.model_copy(update={"discover": None}),
        made.answers.candidates.values(),
        made.answers.store,
    )
    with pytest.raises(UsageError) as caught:
        unnamed(answers, "F0-s0")
    assert str(caught.value) == (
        "shortcuts that nobody named are sought only where the scenario asks: "
        "add 'discover: {}' to it"
    )
