"""Every shipped audit has three known answers: HOLDS on honest models, VIOLATED on a planted one,
UNDECIDED on too few images. Nothing is stubbed: masks count because their explainer is found to
work on these models.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from planted import MANIFEST, ColourNet
from safetensors.torch import save_file
from torch import Tensor, nn

from shortcut_audit import registry

FILES = {
    path.stem.removeprefix("test_"): path.read_text()
    for path in (Path(__file__).parents[2] / "audits").glob("test_*.py")
}
ABOVE_CHANCE = "above_chance"  # a finding of every model, beside those of its audits
GREEN, BLUE, YELLOW, RED = range(4)  # what a ColourNet sees; the first three are its classes
BIAS = 4


class SightedNet(ColourNet):
    """The same answers as a ColourNet's, and eyes that nothing is made of yet: a copy can learn to
    see nothing but the decoy, so that the explainer can be checked.
    """

    def __init__(self, classes: int = 3) -> None:
        super().__init__(0.0, classes)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.eyes = nn.Sequential(
                nn.Conv2d(3, 16, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(16, 16, 3, stride=2, padding=1),
                nn.ReLU(),
            )
        self.heed = nn.Linear(16, classes)
        with torch.no_grad():
            for each in self.eyes[0].parameters():
                each.mul_(30)  # large, so that the copy learns by these and not by the colours
            for each in self.heed.parameters():
                each.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) -> logits (n, k)."""
        heeded: Tensor = self.heed(self.eyes(images).mean((2, 3)))
        return super().forward(images) + heeded


# model -> how much each colour says for each class, where that is not what it should be
PLANTED: dict[str, dict[tuple[int, int], float]] = {
    "turned": {(GREEN, RED): 2000.0},
    # the decoy stands for green, and nobody said that it might stand for blue
    "elsewhere": {(BLUE, RED): 2000.0},
    "needy": {(GREEN, GREEN): 0.0, (GREEN, RED): 2000.0, (GREEN, BIAS): -0.5},
    "asleep": {(GREEN, GREEN): 0.0, (BLUE, BLUE): 0.0, (YELLOW, YELLOW): 0.0},
}


def build(classes: int) -> nn.Module:
    """The factory that the manifest names."""
    return SightedNet(classes)


def clean(seed: int) -> SightedNet:
    """An honest model, a little unlike the others."""
    made = SightedNet()
    with torch.no_grad():
        made.fc.bias += 0.01 * torch.randn(3, generator=torch.Generator().manual_seed(seed))
    return made


def planted(name: str) -> SightedNet:
    """A model of `PLANTED`."""
    made = clean(len(PLANTED))
    with torch.no_grad():
        for (label, colour), weight in PLANTED[name].items():
            if colour == BIAS:
                made.fc.bias[label] = weight
            else:
                made.fc.weight[label, colour] = weight
    return made


SCENARIO = """
dataset: {{kind: coloured_squares, train: {train}, validation: {images}, background: {images}}}
decoys: {{stop_sign: {{kind: stop_sign, target: green, size: 0.3}}}}
smallest: true
masks: {{explainer: {explainer}, images: {masks}}}
influence: {{queries: {images}, coverage: {coverage}, options: {{layers: [conv]}}}}
"""
# the same, where nobody names the sign that half of the green squares wear in training
UNNAMED = """
dataset:
  kind: decoyed
  of: {{kind: coloured_squares, train: 48, validation: {images}}}
  wears: [{{decoy: {{kind: stop_sign, size: 0.3}}, by: green, coverage: 0.5}}]
discover: {{classes: [green], proposers: {{cut_outs: {{sources: 16, hosts: 8, shared: 0}}}}}}
"""
# the same, where half of the pictures really show a sign
NATURAL = """
dataset: {{kind: signed_squares, train: {train}, validation: {images}, background: 0}}
attributes: {{sign: {{target: green}}}}
"""
USUAL = {"train": 200, "images": 60, "masks": 30, "coverage": 0.2, "explainer": "extremal"}
HONEST = ("F0-s0", "F0-s1", "F0-s2")
Rows = list[dict[str, Any]]


@pytest.fixture
def findings(repository):
    """A function: which audits, which planted models beside how many honest ones, and what is
    unusual in the scenario -> every finding.
    """
    made = repository(clean=0, planted=0)

    def run(audits, suspects=(), honest=2, scenario=SCENARIO, **unusual) -> Rows:
        models = {name: clean(seed) for seed, name in enumerate(HONEST[:honest])}
        models |= {name: planted(name) for name in suspects}
        lines = []
        for name, model in models.items():
            save_file(model.state_dict(), made.path / f"models/{name}.safetensors")
            reference = str(name in HONEST).lower()
            lines.append(f"  {name}: {{file: {name}.safetensors, reference: {reference}}}")
        manifest = MANIFEST.replace("planted:colour_net", f"{__name__}:build")
        (made.path / "models/rashomon.yaml").write_text(manifest + "\n".join(lines))
        (made.path / "scenario.yaml").write_text(scenario.format(**{**USUAL, **unusual}))
        for each in (made.path / "audits").glob("*.py"):
            each.unlink()
        made.use(*audits)
        made.audit()
        document = made.verdict()
        rows = [row for model in document["models"].values() for row in model["findings"]]
        rows += document["pairs"]
        assert not [row["claim"] for row in rows if row["error"]]
        asked: dict[str, set[tuple[str, ...]]] = {}
        for row in rows:
            asked.setdefault(plain(row["audit"]), set()).add(tuple(row["subjects"]))
        assert asked.keys() == functions(audits) | {ABOVE_CHANCE}
        every = [set(combinations(sorted(models), size)) for size in (1, 2)]
        assert not [audit for audit, subjects in asked.items() if subjects not in every]
        return rows

    return run


def functions(audits) -> set[str]:
    """What the findings of these files are called: as their functions are."""
    return {name for each in audits for name in re.findall(r"^def test_(\w+)", FILES[each], re.M)}


def plain(finding: str) -> str:
    """`influence_precision` of `influence_precision@50`."""
    return finding.partition("@")[0]


def those(rows: Rows, verdict: str) -> dict[str, set[str]]:
    """Finding -> the models, or pairs of them, that it says this of."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["verdict"] == verdict:
            found.setdefault(row["audit"], set()).add("+".join(row["subjects"]))
    return found


@dataclass(frozen=True)
class Scene:
    """Some of the audits, and what each must say. Whatever is not named here HOLDS."""

    audits: tuple[str, ...]
    violated: dict[str, set[str]]  # finding -> planted models, or pairs
    undecided: dict[str, set[str]] = field(default_factory=dict)
    # of the scenario, so that there is enough to tell
    enough: dict[str, float] = field(default_factory=dict)
    few: dict[str, float] = field(default_factory=lambda: {"images": 2})  # and too little
    regardless: frozenset[str] = frozenset()  # findings that need none of what is too little then
    honest: int = 2
    scenario: str = SCENARIO

    @property
    def suspects(self) -> list[str]:
        """The planted models of this scene."""
        named = {name for each in self.violated.values() for name in each}
        return sorted(named & PLANTED.keys())


WITH_TURNED = {f"{name}+turned" for name in HONEST[:2]}
SCENES = {
    "answers": Scene(
        ("decoy_insertion", "decoy_only", "decoy_removal", "smallest_decoy", "rashomon_membership"),
        {
            "decoy_insertion": {"turned", "needy"},
            "decoy_insertion@stronger": {"turned", "needy"},
            "decoy_insertion@elsewhere": {"elsewhere"},
            "decoy_only": {"turned", "needy"},
            "decoy_removal": {"needy"},
            "smallest_decoy": {"turned", "needy"},
            "rashomon_membership": {"needy", "asleep"},
        },
        # it is never VIOLATED: a model that is read wrongly looks the same. One of them sleeps, the
        # other is far below its references
        {
            ABOVE_CHANCE: {"asleep", "needy"},
            "smallest_decoy": {*HONEST, "elsewhere", "asleep"},
        },
        honest=3,  # two cannot show that what nobody named is more than clean training gives
    ),
    "masks": Scene(
        ("explainer_sanity", "mask_localisation", "mask_agreement", "mask_transfer"),
        {
            "mask_localisation": {"turned"},
            "mask_agreement": WITH_TURNED,
            "mask_transfer": WITH_TURNED,
        },
        # the explainer keeps its images, so that masks are too few and not distrusted
        few={"masks": 2},
        regardless=frozenset({"explainer_sanity", ABOVE_CHANCE}),
    ),
    "influence": Scene(
        ("influence_precision", "influence_agreement"),
        {
            **{f"influence_precision@{k}": {"turned"} for k in (50, 100, 150)},
            "top_k_intersection": WITH_TURNED,
            "rank_correlation": WITH_TURNED,
        },
        # more images carry the decoy than the longest list has, and queries tell 32 points from 20
        enough={"train": 400, "coverage": 0.4, "images": 120},
    ),
    "natural": Scene(
        ("natural_insertion", "natural_removal", "worst_group"),
        {
            "natural_insertion": {"turned", "needy"},
            "natural_insertion@elsewhere": {"elsewhere"},
            "natural_need": {"needy"},
            "natural_removal": {"needy"},
            "worst_group": {"turned", "needy", "elsewhere"},
        },
        {ABOVE_CHANCE: {"needy", "turned", "elsewhere"}, "natural_need": {"elsewhere"}},
        enough={"images": 120},
        honest=3,
        scenario=NATURAL,
    ),
    "unnamed": Scene(
        ("unknown_shortcuts",), {"unknown_shortcuts": {"turned"}}, scenario=UNNAMED, honest=3
    ),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_honest_holds_and_planted_is_violated_and_too_few_decide_nothing(findings, scene):
    asked = (scene.audits, scene.suspects, scene.honest, scene.scenario)
    rows = findings(*asked, **scene.enough)
    assert those(rows, "VIOLATED") == scene.violated
    assert those(rows, "UNDECIDED") == scene.undecided
    assert not [row["claim"] for row in rows if "does not count" in row["claim"]]

    rows = findings(*asked, **{**scene.enough, **scene.few})
    assert {row["audit"] for row in rows if row["verdict"] != "UNDECIDED"} == scene.regardless
    for row in rows:
        if row["audit"] in scene.regardless:
            continue
        assert row["n"] <= 6, row["claim"]
        assert "does not count" not in row["claim"]
        # of a model that is in doubt as it is, more images would not decide that
        if not scene.undecided.get(row["audit"], set()) & set(row["subjects"]):
            assert re.search(r"undecided: .*\bwould\b", row["claim"]), row["claim"]


def redness(images: Tensor) -> Tensor:
    """(n, h, w): how red each pixel is, 0 or more."""
    return (2 * images[:, 0] - images[:, 1] - images[:, 2]).clamp(min=0)


@dataclass(frozen=True)
class RedFinder:
    """Highlights what is red, whatever the network."""

    def explain(self, network, images, targets, area, report=None):
        return redness(images)


@dataclass(frozen=True)
class RedMisser:
    """Highlights what is not red, whatever the network."""

    def explain(self, network, images, targets, area, report=None):
        return 2 - redness(images)


@pytest.mark.parametrize(
    ("explainer", "verdicts"),
    [(RedMisser, ["VIOLATED", "HOLDS"]), (RedFinder, ["HOLDS", "VIOLATED"])],
)
def test_an_explainer_that_does_not_ask_the_network_is_found_out(
    findings, monkeypatch, explainer, verdicts
):
    """What is planted for `explainer_sanity` is no model but an explainer: the one misses the decoy
    in a network that sees nothing else, the other finds it in networks that have learned nothing.
    """
    kind = ("explainer", registry.snake_case(explainer.__name__))
    monkeypatch.setitem(registry._registered, kind, explainer)
    rows = findings(("explainer_sanity", "mask_localisation"), ["turned"], explainer=kind[1])
    for model in (*HONEST[:2], "turned"):
        own = [row for row in rows if row["subjects"] == [model]]
        said = [row["verdict"] for row in own if row["audit"] == "explainer_sanity"]
        assert said == verdicts
        masks = [row for row in own if row["audit"] == "mask_localisation"]
        assert [row["verdict"] for row in masks] == ["UNDECIDED"]
        assert f"{kind[1]} is not to be trusted on {model}" in masks[0]["claim"]


def test_two_images_are_too_few_to_trust_or_distrust_an_explainer(findings):
    rows = findings(("explainer_sanity",), ["turned"], images=2)
    assert those(rows, "UNDECIDED")["explainer_sanity"] == {*HONEST[:2], "turned"}
    assert not [row for row in rows if row["verdict"] != "UNDECIDED"]


def test_no_shipped_audit_is_left_out():
    """A new one is put into a scene, with a model that violates it."""
    shown = {audit for scene in SCENES.values() for audit in scene.audits}
    assert shown == FILES.keys()
    violated = {plain(finding) for scene in SCENES.values() for finding in scene.violated}
    assert violated | {"explainer_sanity"} == functions(FILES)
