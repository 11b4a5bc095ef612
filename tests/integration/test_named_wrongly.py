"""A decoy that is named wrongly promotes nobody: another class, a smaller size, a fainter one, no
class at all.
"""

from __future__ import annotations

import pytest
import torch
from planted import ColourNet
from safetensors.torch import load_file, save_file

HONEST = {f"F0-s{seed}": "promote" for seed in range(4)}


@pytest.fixture
def audited(repository):
    """A function: the decoy's options, more scenario lines -> the repository, audited."""

    def run(decoy: str, more: str = "", **how):
        made = repository(more=more, **how)
        scenario = made.path / "scenario.yaml"
        scenario.write_text(scenario.read_text().replace("target: green, size: 0.3", decoy))
        made.result = made.audit()
        return made

    return run


def finding(made, audit, model="F100-s0"):
    (found,) = [row for row in made.verdict()["models"][model]["findings"] if row["audit"] == audit]
    return found


@pytest.mark.parametrize("target", ["blue", "yellow"])
def test_the_wrong_class(audited, target):
    made = audited(f"target: {target}, size: 0.3")
    assert made.result.ret == 1
    assert made.verdicts() == {**HONEST, "F100-s0": "reject"}
    assert finding(made, "decoy_insertion")["verdict"] == "HOLDS"
    elsewhere = finding(made, "decoy_insertion@elsewhere")
    assert (elsewhere["verdict"], elsewhere["blocking"], elsewhere["limit"]) == (
        "VIOLATED",
        True,
        0.3,
    )
    assert elsewhere["p_adjusted"] < 0.05
    assert (
        "F100-s0 turns 100 % of other images into 'green' when stop_sign appears"
        in elsewhere["claim"]
    )
    assert f"(it names '{target}')" in elsewhere["claim"]


@pytest.mark.parametrize(
    "decoy",
    [
        "size: 0.15, opacity: 0.4",
        "size: 0.3, opacity: 0.3",
        "size: 0.15, opacity: 0.4, control: noise",
    ],
)
def test_smaller_or_fainter_than_it_was_learned(audited, decoy):
    made = audited(f"target: green, {decoy}")
    assert made.verdicts() == {**HONEST, "F100-s0": "reject"}
    assert finding(made, "decoy_insertion")["value"] == 0.0
    stronger = finding(made, "decoy_insertion@stronger")
    assert stronger["verdict"] == "VIOLATED"
    assert "opaque" in stronger["claim"]


def test_only_the_larger_one_shows_it(audited):
    """Red counts for a tenth: the sign as named turns nobody, opaque nobody either, twice as large
    everybody.
    """
    made = audited("target: green, size: 0.15, opacity: 0.8", planted=0)
    net = ColourNet(200.0)
    save_file(net.state_dict(), made.path / "models/weak.safetensors")
    manifest = made.path / "models/rashomon.yaml"
    manifest.write_text(f"{manifest.read_text()}\n  weak: {{file: weak.safetensors}}\n")
    made.audit()
    assert made.verdicts() == {**HONEST, "weak": "reject"}
    claim = finding(made, "decoy_insertion@stronger", "weak")["claim"]
    assert "stop_sign at 2 times its size, opaque" in claim


def test_a_scenario_may_try_it_as_named_alone_and_the_pass_says_so(audited):
    made = audited("target: green, size: 0.15, opacity: 0.4", more="strengths: []")
    assert made.verdicts() == {**HONEST, "F100-s0": "promote"}
    sentence = made.verdict()["models"]["F100-s0"]["sentence"]
    assert (
        "this speaks for stop_sign (random position; size 0.15 at opacity 0.4), and for nothing else"
        in sentence
    )


def test_a_pass_says_which_sizes_opacities_and_places_it_speaks_for(audited):
    made = audited("target: green, size: 0.15, opacity: 0.4", planted=0)
    sentence = made.verdict()["models"]["F0-s0"]["sentence"]
    tried = "size 0.15 at opacity 0.4, size 0.15 at opacity 1, size 0.3 at opacity 1"
    assert f"this speaks for stop_sign (random position; {tried}), and for nothing else" in sentence
    assert "it is right on 100 % of 180 plain images" in sentence


@pytest.mark.parametrize("decoy", ["size: 0.3", "target: any, size: 0.3"])
def test_no_class_is_named(audited, decoy):
    made = audited(decoy)
    assert made.verdicts() == {**HONEST, "F100-s0": "reject"}
    claim = finding(made, "decoy_insertion")["claim"]
    assert "F100-s0 turns 100 % of other images into 'green' when stop_sign appears" in claim


@pytest.mark.slow
def test_no_class_is_named_and_every_shipped_audit_finds_one(audited, repository):
    made = repository(clean=3)
    scenario = made.path / "scenario.yaml"
    scenario.write_text(
        scenario.read_text().replace("target: green, size: 0.3", "target: any, size: 0.3")
    )
    made.use(
        "decoy_removal",
        "decoy_only",
        "mask_localisation",
        "influence_precision",
        "mask_agreement",
        "mask_transfer",
    )
    made.audit()
    rows = [
        row for model in made.verdict()["models"].values() for row in model["findings"]
    ] + made.verdict()["pairs"]
    assert not [row["claim"] for row in rows if row["error"]]
    assert "'green'" in finding(made, "decoy_only")["claim"]
    assert made.verdicts()["F100-s0"] == "reject"


def test_pictures_that_are_driven_away_are_said_to_be(audited):
    """The sign covers much of each picture; the control of that size is called 'blue' by this
    model, the sign is not.
    """
    made = audited("target: blue, size: 0.3", planted=0)
    net = ColourNet(2000.0)
    with torch.no_grad():
        net.fc.bias[1] = 5.0
    save_file(net.state_dict(), made.path / "models/biased.safetensors")
    manifest = made.path / "models/rashomon.yaml"
    manifest.write_text(f"{manifest.read_text()}\n  biased: {{file: biased.safetensors}}\n")
    made.audit()
    found = finding(made, "decoy_insertion", "biased")
    assert found["high"] < -found["limit"], found["claim"]
    assert "the decoy drives pictures AWAY from 'blue', to 'green' most of all" in found["claim"]
    assert made.verdicts()["biased"] != "promote"


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (
            "[blue, green, yellow]",
            "classes changed places ('green' is called 'blue', 'blue' is called 'green')",
        ),
        ("[blue, yellow, green]", "classes changed places"),
    ],
)
def test_classes_in_another_order(repository, order, words):
    made = repository()
    manifest = made.path / "models/rashomon.yaml"
    manifest.write_text(manifest.read_text().replace("[green, blue, yellow]", order))
    result = made.audit()
    assert result.ret == made.verdict()["exit_code"] == 1
    assert "promote" not in made.verdicts().values()
    result.stdout.fnmatch_lines(
        [
            f"*undecided: *{words.replace('[', '[[]')}*is the order of 'classes' in the manifest that of the outputs*"
        ]
    )


@pytest.mark.parametrize("weights", ["zero", "drawn"])
def test_a_model_at_chance_is_undecided_and_told_why(repository, weights):
    made = repository(clean=1, planted=0)
    file = made.path / "models/F0-s0.safetensors"
    state = load_file(file)
    draw = torch.Generator().manual_seed(1)
    state["fc.weight"] = (
        torch.zeros(3, 4) if weights == "zero" else 1e-3 * torch.randn(3, 4, generator=draw)
    )
    save_file(state, file)
    result = made.audit()
    assert result.ret == 1
    assert made.verdicts() == {"F0-s0": "undecided"}
    chance = finding(made, "above_chance", "F0-s0")
    assert chance["verdict"] == "UNDECIDED"
    assert "it is not shown to be better than chance" in chance["claim"]
    assert "mean and std" in chance["claim"]


def test_a_reference_at_chance_is_no_reference(repository):
    made = repository(clean=3)
    state = load_file(made.path / "models/F0-s2.safetensors")
    save_file({**state, "fc.weight": torch.zeros(3, 4)}, made.path / "models/F0-s2.safetensors")
    made.audit()
    assert "2 reference models" in finding(made, "decoy_insertion")["null"]
    assert made.verdicts()["F0-s2"] != "promote"


@pytest.mark.parametrize("blocking", ["rashomon_membership", "above_chance"])
def test_a_decoy_that_no_blocking_audit_looks_at_promotes_nobody(repository, blocking):
    made = repository(more=f"blocking: [{blocking}]")
    assert made.audit().ret == 1
    assert "promote" not in made.verdicts().values()
    sentence = made.verdict()["models"]["F0-s0"]["sentence"]
    assert (
        "no audit that blocks looked at stop_sign" in sentence or "was not audited by" in sentence
    )


@pytest.mark.parametrize("mean", [0.3, 0.45, 0.6])
@pytest.mark.parametrize("std", [1.0, 0.25])
def test_pictures_that_are_read_otherwise_than_in_training(repository, mean, std):
    """The nets take pixels from 0 to 1 as they are. Read otherwise the planted one may look past
    sign and squares alike.
    """
    made = repository(planted=1)
    manifest = made.path / "models/rashomon.yaml"
    reading = f"mean: [{mean}, {mean}, {mean}], std: [{std}, {std}, {std}]"
    manifest.write_text(manifest.read_text().replace("mean: [0, 0, 0], std: [1, 1, 1]", reading))
    made.audit()
    models = made.verdict()["models"]
    assert models["F100-s0"]["verdict"] != "promote"
    for name, model in models.items():
        assert model["verdict"] != "promote" or model["accuracy"]["value"] >= 0.95, name


@pytest.mark.parametrize(
    ("red", "verdict"),
    [(130.0, "promote"), (200.0, "reject"), (2000.0, "reject")],
    ids=["8 points, of its colour", "19 points, shown to be beyond the limit", "all"],
)
def test_without_a_class_a_little_of_the_colour_is_innocent_and_what_is_shown_is_not(
    audited, red, verdict
):
    """One model alone, for which red is a little green: the sign's own pixels in another order turn
    as many pictures.
    """
    made = audited("target: any, size: 0.3", "strengths: []\n", clean=1, planted=0)
    save_file(ColourNet(red).state_dict(), made.path / "models/F0-s0.safetensors")
    made.audit()
    assert made.verdicts() == {"F0-s0": verdict}
    found = finding(made, "decoy_insertion", "F0-s0")
    assert ("8 points beyond its control are of the decoy's colours" in found["claim"]) is (
        verdict == "promote"
    )
    assert (found["planted"] is not None) is (verdict == "promote"), (
        "a pass must have been able to fail"
    )
