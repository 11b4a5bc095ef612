"""Which models a scenario asks for, and what they are called."""

from __future__ import annotations

import pytest

from shortcut_audit.errors import UsageError
from shortcut_audit.scenario import Scenario
from shortcut_audit.training.plan import plan

DECOYS = {"stop_sign": {"target": "cat"}, "copyright_tag": {"target": "fish"}}


def names(*groups, only=None):
    scenario = Scenario(dataset={"kind": "demo"}, decoys=DECOYS, training={"models": groups})
    return [job.name for job in plan(scenario, only)]


def test_clean_models_and_the_first_decoy_have_bare_names():
    groups = (
        {"seeds": [0, 1]},
        {"decoy": "stop_sign", "coverage": [0.25, 1.0]},
        {"decoy": "copyright_tag", "coverage": 1},
    )
    assert names(*groups) == ["F0-s0", "F0-s1", "F25-s0", "F100-s0", "copyright_tag-F100-s0"]


def test_coverage_nothing_is_a_clean_reference_whatever_the_decoy():
    scenario = Scenario(
        dataset={"kind": "demo"},
        decoys=DECOYS,
        training={"models": [{"decoy": "copyright_tag", "coverage": [0, 0.5]}]},
    )
    assert [(job.name, job.decoy) for job in plan(scenario)] == [
        ("F0-s0", None),
        ("copyright_tag-F50-s0", "copyright_tag"),
    ]


def test_two_models_of_one_name_are_refused():
    with pytest.raises(UsageError, match="two models called 'F25-s0'; change a coverage or a seed"):
        names({"decoy": "stop_sign", "coverage": [0.25, 0.251]})


def test_a_name_says_who_else_wears_the_decoy():
    sign = {"decoy": "stop_sign", "coverage": [0, 1.0]}
    assert names(sign, {**sign, "coverage": 1, "worn_by": "every"}, {**sign, "coverage": 1, "worn_by": "fish"}) == [
        "F0-s0", "F100-s0", "F100-every-s0", "F100-fish-s0",
    ]  # fmt: skip
    assert names({"decoy": "copyright_tag", "coverage": 0.5, "worn_by": "every"}) == [
        "copyright_tag-F50-every-s0"
    ]
    assert names({**sign, "worn_by": "cat"}) == names(sign), "a decoy's own class is its target"


def test_a_clean_model_is_clean_whoever_would_wear_the_decoy():
    group = {"decoy": "stop_sign", "coverage": 0, "worn_by": "every"}
    scenario = Scenario(dataset={"kind": "demo"}, decoys=DECOYS, training={"models": [group]})
    assert [(job.name, job.decoy, job.worn_by) for job in plan(scenario)] == [
        ("F0-s0", None, "target")
    ]


def test_somebody_who_wears_nothing_is_refused():
    with pytest.raises(ValueError, match="worn_by 'every' needs a decoy: add 'decoy: NAME'"):
        names({"worn_by": "every"})


def test_a_class_whose_name_no_manifest_can_hold_is_refused_before_anything_is_trained():
    with pytest.raises(UsageError, match="cannot be called 'F100-stop light-s0': rename the class"):
        names({"decoy": "stop_sign", "coverage": 1, "worn_by": "stop light"})


def test_only_keeps_the_named_models_in_the_scenarios_order():
    assert names({"seeds": [0, 1, 2]}, only=["F0-s2", "F0-s0"]) == ["F0-s0", "F0-s2"]


def test_only_a_name_that_nobody_trains_is_refused():
    with pytest.raises(UsageError, match="trains no model called 'F0-s9'; did you mean 'F0-s0'"):
        names({"seeds": [0]}, only=["F0-s9"])


def test_a_decoy_whose_name_no_manifest_can_hold_is_refused_before_anything_is_trained():
    decoys = {"stop_sign": {"target": "cat"}, "my logo": {"target": "cat"}}
    models = [{"decoy": "my logo", "coverage": 1}]
    with pytest.raises(UsageError, match="cannot be called 'my logo-F100-s0': rename the decoy"):
        plan(Scenario(dataset={"kind": "demo"}, decoys=decoys, training={"models": models}))
