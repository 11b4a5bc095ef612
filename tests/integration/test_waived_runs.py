"""Waivers in a run: one that has expired, one that fits nothing, and parts of a suite."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET

import pytest

from shortcut_audit.cli import main

WAIVER = "waivers: [{audit: AUDIT, model: MODEL, author: Jane Doe, expires: DAY, reason: the sign is part of the class}]"


def waiver(audit="decoy_insertion", model="F100-s0", day="2100-01-31"):
    return WAIVER.replace("AUDIT", audit).replace("MODEL", model).replace("DAY", day)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (
            waiver(day="2020-01-31"),
            "the waiver of decoy_insertion of F100-s0 expired on 2020-01-31",
        ),
        (waiver(model="F100-s1"), "none is called 'F100-s1'; did you mean 'F100-s0'?"),
        (waiver(audit="decoy_insert"), "does not block; did you mean 'decoy_insertion'?"),
    ],
)
def test_a_waiver_that_cannot_be_meant_ends_the_run_before_it_begins(repository, more, words):
    made = repository(more=more)
    result = made.audit()
    assert result.ret == 4
    assert words in result.stdout.str() + result.stderr.str()
    assert not (made.path / "reports/verdict.json").exists()


def test_a_waiver_that_is_not_needed_is_an_error_of_its_model_alone(repository):
    made = repository(more=waiver(model="F0-s1"))
    result = made.audit()
    assert result.ret == made.verdict()["exit_code"] == 1
    verdicts = made.verdicts()
    assert verdicts.pop("F0-s1") == "undecided"
    assert verdicts.pop("F100-s0") == "reject"
    assert set(verdicts.values()) == {"promote"}
    said = "F0-s1: the waiver of decoy_insertion of F0-s1 (Jane Doe) is not needed, for that holds"
    assert said in made.verdict()["models"]["F0-s1"]["sentence"]
    junit = ET.parse(made.path / "reports/junit.xml").getroot()
    failures = [
        case.find("failure").get("message")
        for case in junit.iter("testcase")
        if case.find("failure") is not None
    ]
    assert any(said in (message or "") for message in failures)
    assert main(["gate", str(made.path / "reports/verdict.json"), "--model", "F0-s1"]) == 1


@pytest.mark.parametrize(
    "arguments",
    [["-k", "F0-s0"], ["-k", "rashomon"], ["--deselect", "audits/test_rashomon_membership.py"]],
)
def test_a_part_of_the_suite_complains_of_no_waiver_that_it_does_not_reach(repository, arguments):
    made = repository(more=waiver())
    made.audit(*arguments)
    for model in made.verdict()["models"].values():
        assert "the waiver of" not in model["sentence"]


def test_one_model_alone_complains_of_no_waiver_of_another(repository):
    made = repository(more=waiver())
    (made.path / "alone").mkdir()
    result = made.audit(models="models/F0-s0.safetensors")
    assert "the waiver of" not in result.stdout.str() + result.stderr.str()
    assert set(made.verdicts()) == {"F0-s0"}


def test_a_waiver_by_digest_is_of_that_file_alone(repository):
    made = repository()
    file = made.path / "models/F100-s0.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    scenario = made.path / "scenario.yaml"
    scenario.write_text(f"{scenario.read_text()}\n{waiver(model=digest[:16])}\n")
    assert made.audit().ret == 0
    assert made.verdicts()["F100-s0"] == "waived"
    assert main(["gate", str(made.path / "reports/verdict.json"), "--model", "F100-s0"]) == 0
    result = made.audit()
    words = "letters: w = waived: somebody took the responsibility, in the scenario"
    result.stdout.fnmatch_lines(["audits/test_decoy_insertion.py *w*", words, "*1 waived*"])
    made.audit("-v").stdout.fnmatch_lines(["*test_decoy_insertion?F100-s0-stop_sign? WAIVED *"])
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1  # another last weight
    file.write_bytes(changed)
    result = made.audit()
    assert result.ret == 4
    assert f"begins with {digest[:16]}" in result.stdout.str() + result.stderr.str()
