"""A decoy that an audit has nothing to say about, a set in which all share the shortcut, a clean
model that looks guilty.
"""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import jsonschema
import pytest
import torch
from planted import ColourNet
from safetensors.torch import save_file

from shortcut_audit import reporting

# of the weight: at this much about one picture in seven turns green when the sign appears
RED = 150.0
SCHEMA = json.loads((Path(reporting.__file__).parent / "verdict.schema.json").read_text())
SHADE = """
dataset: {{kind: coloured_squares}}
decoys:
  vignette: {{kind: vignette, target: green}}
masks: {{explainer: saliency, images: 40}}
blocking: [{blocking}]
"""


@pytest.fixture
def shaded(repository):
    """A function: what blocks, how many honest models -> a repository whose only decoy fills the
    picture.
    """

    def make(blocking, clean=2):
        made = repository(clean=clean, planted=0)
        (made.path / "scenario.yaml").write_text(SHADE.format(blocking=blocking))
        made.use("mask_localisation", "explainer_sanity")
        return made

    return make


def hollow(made):
    """The findings that say that their audit does not apply."""
    return [
        row
        for model in made.verdict()["models"].values()
        for row in model["findings"]
        if not row["applies"]
    ]


def test_an_audit_that_does_not_apply_neither_blocks_nor_lacks(shaded):
    made = shaded("decoy_insertion, mask_localisation, explainer_sanity, rashomon_membership")
    result = made.audit()
    assert result.ret == 0
    assert set(made.verdicts().values()) == {"promote"}
    assert {(row["audit"], row["verdict"], row["blocking"], row["n"]) for row in hollow(made)} == {
        ("mask_localisation", "UNDECIDED", False, 0),
        ("explainer_sanity", "UNDECIDED", False, 0),
    }
    claims = {row["claim"] for row in hollow(made)}
    assert (
        "mask_localisation does not apply to vignette: it fills the picture, so that every mask lies on it"
        in claims
    )
    result.stdout.fnmatch_lines(
        ["*mask_localisation.py -*", "letters: - = does not apply", "*4 not applicable*"]
    )
    made.audit("-v").stdout.fnmatch_lines(["F0-s0 * n/a * n/a *promote"])
    for name, skipped in (("junit.xml", 4), ("junit-per-model.xml", 4)):
        assert (
            len(list(ET.parse(made.path / "reports" / name).getroot().iter("skipped"))) == skipped
        )
    jsonschema.validate(made.verdict(), SCHEMA)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=" ".join)
def test_a_decoy_that_no_blocking_audit_applies_to_promotes_nobody(shaded, options):
    made = shaded("mask_localisation, rashomon_membership")
    result = made.audit(*options)
    assert result.ret == made.verdict()["exit_code"] == 1
    assert set(made.verdicts().values()) == {"undecided"}
    sentence = made.verdict()["models"]["F0-s0"]["sentence"]
    assert (
        sentence
        == "F0-s0: no audit that blocks looked at vignette: add one that does to 'blocking', such as decoy_insertion"
    )
    failed = [
        case.get("name")
        for case in ET.parse(made.path / "reports/junit.xml").getroot().iter("testcase")
        if len(case)
    ]
    assert any("F0-s0 verdict" in name for name in failed)


def test_an_audit_cannot_check_and_not_apply(shaded):
    made = shaded("decoy_insertion, rashomon_membership", clean=1)
    audit = "def test_both(decoy, audit):\n    audit.does_not_apply('because')\n    audit.check([1], None, at_most(0.1))\n"
    (made.path / "audits/test_both.py").write_text(
        f"from shortcut_audit import at_most\n\n\n{audit}"
    )
    made.audit("-k", "both")
    (found,) = made.verdict()["models"]["F0-s0"]["findings"]
    assert found["error"]
    assert found["claim"].startswith(
        "both checked and said that it does not apply for F0-s0-vignette"
    )


@pytest.mark.parametrize(("clean", "planted"), [(0, 4), (1, 4)])
def test_where_all_or_most_share_the_shortcut_and_no_reference_is_named_nobody_is_promoted(
    repository, clean, planted
):
    made = repository(clean=clean, planted=planted)
    manifest = made.path / "models/rashomon.yaml"
    manifest.write_text(manifest.read_text().replace("reference: true", "reference: false"))
    result = made.audit()
    assert result.ret == 1
    assert set(made.verdicts().values()) == {"undecided"}
    for seed in range(planted):
        sentence = made.verdict()["models"][f"F100-s{seed}"]["sentence"]
        assert (
            "turns 100 % of other images into 'green' when stop_sign appears, 0 % under the control"
            in sentence
        )
        assert (
            "the effect is beyond the limit, but the other models of the set show as much"
            in sentence
        )
        assert "name reference models, trained by the same recipe without the decoy" in sentence
    if clean:
        assert (
            "even a planted effect of 100 points would not have been found"
            in made.verdict()["models"]["F0-s0"]["sentence"]
        )
    else:
        division = made.verdict()["multiplicity"]["stop_sign"]
        assert division["members"] == [f"F100-s{seed}" for seed in range(planted)]
        assert division["decoyed"]["ambiguity"] == 0, (
            "none, with a high insertion rate: all share it"
        )


def test_a_clean_model_that_shade_sends_to_one_class_is_promoted_and_the_report_says_why(shaded):
    made = shaded("decoy_insertion, rashomon_membership", clean=4)
    made.use("decoy_insertion", "rashomon_membership")
    shy = ColourNet(40.0)
    with torch.no_grad():
        shy.conv.weight[3] = -1.0
        shy.conv.bias[3] = 0.9  # sees dark places, whatever made them dark, and calls them green
    save_file(shy.state_dict(), made.path / "models/shy.safetensors")
    manifest = made.path / "models/rashomon.yaml"
    manifest.write_text(f"{manifest.read_text()}\n  shy: {{file: shy.safetensors}}\n")
    result = made.audit("-k", "insertion or membership")
    assert result.ret == 0
    assert set(made.verdicts().values()) == {"promote"}
    model = made.verdict()["models"]["shy"]
    found = next(row for row in model["findings"] if row["audit"] == "decoy_insertion")
    assert found["observed"] > 0.4
    assert found["control"] > 0.4
    assert found["planted"] >= 0.20
    shares = f"{100 * found['observed']:.0f} % of other images into 'green' when vignette appears, {100 * found['control']:.0f} %"
    assert f"shy turns {shares} under the control: " in found["claim"]
    assert f"what a neutral control does as well is none: {found['claim']}" in model["sentence"]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=" ".join)
def test_members_that_the_decoy_divides_are_shown_divided(repository, options):
    made = repository()
    result = made.audit(*options)
    division = made.verdict()["multiplicity"]["stop_sign"]
    assert len(division["members"]) == 5
    assert division["images"] == 120
    assert division["decoyed"]["ambiguity"] == division["decoyed"]["discrepancy"] == 1
    assert max(division["plain"]["ambiguity"], division["control"]["ambiguity"]) < 0.05
    for figure in ("viable_prediction_range", "rashomon_capacity"):
        assert division["decoyed"][figure] > 2 * division["control"][figure]
    line = "5 equally accurate models disagree on 100 % of other images with stop_sign, on * % under the control, on 0 % without*"
    result.stdout.fnmatch_lines([line])
    jsonschema.validate(made.verdict(), SCHEMA)


def test_what_cannot_be_measured_of_the_set_costs_no_verdict(repository, monkeypatch):
    def broken(*_):
        raise RuntimeError("no memory left")

    monkeypatch.setattr("shortcut_audit.harness.disagreement.multiplicity", broken)
    made = repository(planted=0)
    result = made.audit()
    assert result.ret == 0
    assert set(made.verdicts().values()) == {"promote"}
    result.stdout.fnmatch_lines(
        ["how far the models disagree could not be measured: no memory left"]
    )


def test_no_network_is_asked_for_what_divides_the_members(repository):
    made = repository(clean=2)
    made.audit("-k", "membership")
    assert "multiplicity" not in made.verdict()


BLIND = """
from dataclasses import dataclass

import planted
import torch
from shortcut_audit import register

@register("explainer")
@dataclass(frozen=True)
class OneCorner:
    def explain(self, network, images, targets, area, report=None):
        side = torch.arange(images.shape[-1], dtype=torch.float32)
        return (-side[:, None] - side).exp().expand(len(images), -1, -1).to(images.device)
"""


@pytest.mark.parametrize(
    ("blocking", "expected"),
    [
        ("decoy_insertion, mask_localisation", "promote"),
        ("mask_localisation, rashomon_membership", "undecided"),
    ],
)
def test_masks_that_do_not_count_neither_block_nor_pass(repository, blocking, expected):
    made = repository(clean=2, more=f"blocking: [{blocking}]\nmasks: {{explainer: one_corner}}")
    (made.path / "conftest.py").write_text(BLIND)
    made.use("mask_localisation")
    made.audit()
    assert {made.verdicts()[name] for name in ("F0-s0", "F0-s1")} == {expected}
    assert made.verdicts()["F100-s0"] != "promote"
    (row,) = [
        row
        for row in made.verdict()["models"]["F0-s0"]["findings"]
        if row["audit"] == "mask_localisation"
    ]
    assert (row["verdict"], row["blocking"], row["applies"]) == ("UNDECIDED", False, False)
    assert "does not count: one_corner is not to be trusted on F0-s0" in row["claim"]


@pytest.mark.parametrize(("undecided", "verdict"), [("noted", "promote"), ("blocks", "undecided")])
def test_accuracies_that_nobody_can_tell_apart_stop_nobody_unless_asked_to(
    repository, undecided, verdict
):
    made = repository(
        clean=2, planted=0, more=f"rashomon: {{epsilon: 0.005, undecided: {undecided}}}\n"
    )
    result = made.audit()
    assert set(made.verdicts().values()) == {verdict}
    assert result.ret == made.verdict()["exit_code"] == (0 if verdict == "promote" else 1)
    (found,) = [
        row
        for row in made.verdict()["models"]["F0-s0"]["findings"]
        if row["audit"] == "rashomon_membership"
    ]
    assert (found["verdict"], found["blocking"]) == ("UNDECIDED", undecided == "blocks")
    assert ("noted, and keeps nobody" in found["claim"]) is (undecided == "noted")
    jsonschema.validate(made.verdict(), SCHEMA)


def test_what_clean_models_do_as_well_is_innocent_and_marked(repository):
    """Four models for which a red sign is a little green, a fifth like them, and one that has
    learned it.
    """
    # a larger sign turns every picture in all of them
    made = repository(clean=4, planted=0, more="strengths: []\n")
    folder = made.path / "models"
    lines = [(folder / "rashomon.yaml").read_text()]
    reds = {**{f"F0-s{i}": RED + 6 * i for i in range(4)}, "like": RED + 10, "learned": 2000.0}
    for name, red in reds.items():
        save_file(ColourNet(red).state_dict(), folder / f"{name}.safetensors")
    lines += [f"  {name}: {{file: {name}.safetensors}}" for name in ("like", "learned")]
    (folder / "rashomon.yaml").write_text("\n".join(lines))
    result = made.audit()
    assert made.verdicts() == {
        **dict.fromkeys(["F0-s0", "F0-s1", "F0-s2", "F0-s3", "like"], "promote"),
        "learned": "reject",
    }
    (found,) = [
        row
        for row in made.verdict()["models"]["like"]["findings"]
        if row["audit"] == "decoy_insertion"
    ]
    assert found["limit"] < found["high"] < 0.30
    assert abs(found["excess"]) < found["excess_high"] < found["limit"]
    assert "innocent: clean reference models show" in found["claim"]
    result.stdout.fnmatch_lines(["like *promote *stop_sign: green * 1[0-9]~ * 10  120*"])
    jsonschema.validate(made.verdict(), SCHEMA)
