"""`pytest audits/ --models DIR`: the whole of it, on models whose answers are known."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

AUDITS = Path(__file__).parents[2] / "audits"
SHIPPED = {file.stem.removeprefix("test_"): file.read_text() for file in AUDITS.glob("test_*.py")}


def junit(repository, name="junit.xml"):
    return ET.parse(repository.path / "reports" / name).getroot()


def failures(root):
    return [
        case
        for case in root.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]


def test_honest_models_are_promoted_and_the_planted_one_is_rejected(repository):
    made = repository()
    result = made.audit()
    assert result.ret == 1
    assert made.verdicts() == {
        **{f"F0-s{seed}": "promote" for seed in range(4)},
        "F100-s0": "reject",
    }
    finding = next(
        row
        for row in made.verdict()["models"]["F100-s0"]["findings"]
        if row["audit"] == "decoy_insertion"
    )
    assert finding["verdict"] == "VIOLATED"
    assert finding["blocking"]
    assert finding["low"] > 0.9
    assert finding["p_adjusted"] < 0.05
    assert finding["n"] == 120
    sentence = "F100-s0 turns 100 % of other images into 'green' when stop_sign appears, 0 % under the control: 100 points"
    assert sentence in finding["claim"]
    result.stdout.fnmatch_lines([f"*reject: {sentence}*"])


def asked(made):
    """What the findings of the last run are called, before any @."""
    document = made.verdict()
    rows = [row for model in document["models"].values() for row in model["findings"]]
    return {row["audit"].partition("@")[0] for row in rows + document["pairs"]}


def test_every_shipped_audit_runs_and_finds_the_planted_shortcut(repository):
    made = repository(clean=3)
    made.use(*SHIPPED)
    made.audit()
    functions = set(re.findall(r"^def test_(\w+)", "\n".join(SHIPPED.values()), re.M))
    off = {"unknown_shortcuts", "smallest_decoy"}  # unless the scenario switches them on
    off |= {"natural_insertion", "natural_need", "natural_removal", "worst_group"}
    assert asked(made) == functions - off | {"above_chance"}
    findings = {row["audit"]: row for row in made.verdict()["models"]["F100-s0"]["findings"]}
    for audit in ("decoy_insertion", "decoy_only", "mask_localisation", "influence_precision@50"):
        assert findings[audit]["verdict"] == "VIOLATED", findings[audit]["claim"]
    assert "(cosine of the gradient of the logit by " in findings["influence_precision@50"]["claim"]
    for seed in range(3):
        for row in made.verdict()["models"][f"F0-s{seed}"]["findings"]:
            assert row["verdict"] == "HOLDS", row["claim"]
    pairs = {row["audit"] for row in made.verdict()["pairs"]}
    assert pairs == {"mask_agreement", "mask_transfer", "top_k_intersection", "rank_correlation"}
    assert not any(row["error"] for row in made.verdict()["pairs"])
    violated = [row["claim"] for row in made.verdict()["pairs"] if row["verdict"] == "VIOLATED"]
    assert violated
    assert all(
        "evidence of its own speaks against F100-s0 (decoy_insertion, " in claim
        for claim in violated
    )


def test_what_decides_runs_first_of_all_models_and_can_run_alone(repository):
    made = repository(clean=2)
    made.use("decoy_only", "rashomon_membership")
    listed = made.audit("--collect-only", "-q").outlines
    asked = [line.partition("[")[0].partition("::test_")[2] for line in listed if "::test_" in line]
    first = asked.index("decoy_only")
    assert set(asked[:first]) == {"decoy_insertion", "rashomon_membership"}
    assert set(asked[first:]) == {"decoy_only"}
    whole = made.audit().ret
    decided = made.verdicts()
    made.audit("-m", "decides").assert_outcomes(passed=5, failed=1, deselected=3)
    assert made.verdicts() == decided
    assert whole == 1


def test_ten_images_are_too_few_to_tell(repository):
    made = repository(planted=0, validation=5)
    result = made.audit("-k", "insertion")
    assert result.ret == 1
    assert set(made.verdicts().values()) == {"undecided"}
    result.stdout.fnmatch_lines(["*UUUU*", "*images in all would decide*", "*undecided*"])


@pytest.mark.parametrize(
    "more", ["", "blocking: [decoy_insertion, decoy_only, rashomon_membership]"]
)
def test_exit_code_junit_and_verdict_agree(repository, more):
    made = repository(more=more)
    made.use("decoy_only")
    result = made.audit()
    root, per_model = junit(made), junit(made, "junit-per-model.xml")
    verdict = made.verdict()
    assert verdict["exit_code"] == result.ret == 1
    blocked = {name for name, word in made.verdicts().items() if word not in ("promote", "waived")}
    assert {
        name for name in made.verdicts() if any(name in case.get("name") for case in failures(root))
    } == blocked
    assert {
        suite.get("name") for suite in per_model.iter("testsuite") if int(suite.get("failures"))
    } == {*blocked, "the run"}
    for case in failures(root):
        message = case.find("failure").get("message")
        assert message.startswith("F100-s0 ")
        assert case.find("failure").text.splitlines()[0] == message.splitlines()[0]


def test_all_honest_is_exit_code_zero(repository):
    made = repository(planted=0)
    result = made.audit("-W", "error")
    assert result.ret == 0
    assert set(made.verdicts().values()) == {"promote"}
    assert made.verdict()["exit_code"] == 0
    assert not failures(junit(made))


def test_a_second_run_computes_nothing(repository, monkeypatch):
    made = repository(clean=2)
    made.audit()
    first = made.verdict()["models"]

    def never(*_arguments, **_named):
        raise AssertionError("a model was loaded although its evidence is there")

    monkeypatch.setattr("shortcut_audit.evidence.answers.load_subject", never)
    made.audit()
    assert _without_times(made.verdict()["models"]) == _without_times(first)


def _without_times(models):
    return {
        name: [
            {key: value for key, value in row.items() if key != "seconds"}
            for row in model["findings"]
        ]
        for name, model in models.items()
    }


def test_without_references_the_set_itself_is_the_measure(repository):
    made = repository()
    manifest = made.path / "models/rashomon.yaml"
    manifest.write_text(manifest.read_text().replace("reference: true", "reference: false"))
    made.audit()
    assert made.verdicts()["F100-s0"] == "reject"
    findings = made.verdict()["models"]["F100-s0"]["findings"]
    assert "median" in next(row["null"] for row in findings if row["audit"] == "decoy_insertion")


def test_a_waived_finding_promotes_aloud(repository):
    more = "waivers: [{audit: decoy_insertion, model: F100-s0, author: Jane Doe, expires: 2100-01-31, reason: the sign is part of the class here}]"
    made = repository(more=more)
    result = made.audit()
    assert made.verdicts()["F100-s0"] == "waived"
    said = made.verdict()["models"]["F100-s0"]["sentence"]
    assert said.endswith(
        "; waived by Jane Doe until 2100-01-31, for any checkpoint called F100-s0: "
        "the sign is part of the class here"
    )
    assert result.ret == made.verdict()["exit_code"] == 0
