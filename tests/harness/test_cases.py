"""Cases: which there are, what an audit may hand over, and how a finding reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from judging_of import judged_by

from shortcut_audit import UsageError, at_most
from shortcut_audit.errors import ModelError
from shortcut_audit.harness.audit import Audit
from shortcut_audit.harness.kinds import CASE, role_of
from shortcut_audit.harness.plan import (
    audit_name,
    killed,
    not_compared,
    not_measured,
    plan,
    without_a_case,
)
from shortcut_audit.promotion import blocks, only_noted, stops
from shortcut_audit.records import Candidate, Case, Finding, Verdict
from shortcut_audit.reporting.wording import figures, percent
from shortcut_audit.scenario import Scenario
from shortcut_audit.settings import Rashomon
from shortcut_audit.subjects.manifest.references import references_for

SCENARIO = Scenario(
    dataset={"kind": "demo"},
    decoys={"sign": {"target": "cat"}, "tag": {"target": "fish"}},
    blocking=("decoy_insertion", "influence_precision@50"),
)


def candidates(
    *names: str, references: tuple[str, ...] = (), broken: tuple[str, ...] = ()
) -> list[Candidate]:
    return [
        Candidate(
            name,
            Path(name),
            reference=name in references,
            problem="gone" if name in broken else None,
        )
        for name in names
    ]


def ids(wanted, models):
    return [case.id for case in plan(wanted, models, SCENARIO)]


def test_a_case_for_each_model_and_decoy_references_first():
    models = candidates("F100", "F0", references=("F0",))
    assert ids({"predictions"}, models) == ["F0-sign", "F0-tag", "F100-sign", "F100-tag"]
    assert ids({"accuracy"}, models) == ["F0", "F100"]


def test_a_pair_is_a_reference_and_another():
    models = candidates("F50", "F100", "F0", "G0", references=("F0", "G0"))
    assert ids({"pair"}, models) == ["F0+G0", "F0+F50", "F0+F100", "G0+F50", "G0+F100"]


def test_without_references_a_pair_is_any_two():
    assert ids({"pair"}, candidates("a", "b", "c")) == ["a+b", "a+c", "b+c"]


def sized(**sizes: int) -> list[Candidate]:
    return [Candidate(name, Path(name), size=size) for name, size in sizes.items()]


def test_models_that_take_pictures_of_different_sizes_are_no_pair_and_a_note_says_so():
    models = sized(a=64, b=64, c=32)
    assert ids({"pair"}, models) == ["a+b"]
    assert not_compared(models) == (
        "models that take pictures of different sizes are not compared with each other: "
        "a 64 px, b 64 px, c 32 px"
    )
    assert not_compared([*sized(a=64, b=64), Candidate("c", Path("c"), problem="gone")]) == ""


@pytest.mark.parametrize(
    ("wanted", "models", "decoys", "why"),
    [
        ({"masks"}, sized(a=64), {}, "a decoy, and the scenario names none"),
        ({"pair"}, sized(a=64), {}, "one model alone has no pair"),
        ({"pair"}, sized(a=64), SCENARIO.decoys, "one model alone has no pair"),
        ({"pair"}, candidates("a", "b", broken=("a",)), {}, "only one of them can be read"),
        ({"pair"}, candidates("a", "b", broken=("a", "b")), {}, "none of them can be read"),
        ({"pair"}, sized(a=64, b=32), {}, "no two of these take pictures of one size: a 64 px, b"),
        ({"masks", "pair"}, sized(a=64), SCENARIO.decoys, "one model alone has no pair"),
    ],
)
def test_why_an_audit_has_no_case(wanted, models, decoys, why):
    scenario = SCENARIO.model_copy(update={"decoys": decoys})
    assert plan(wanted, models, scenario) == []
    assert why in without_a_case("mine", wanted, models, scenario)


def test_references_of_the_own_architecture_alone_count_where_four_others_are():
    def beside(model, alike):
        own = [Candidate(f"r{i}", Path("r"), arch="timm:vit", reference=True) for i in range(alike)]
        other = [
            Candidate(f"n{i}", Path("n"), arch="torchvision:resnet18", reference=True)
            for i in range(3)
        ]
        named = {
            each.name: each for each in (*own, *other, Candidate("m", Path("m"), arch="timm:vit"))
        }
        return references_for((model,), named)

    assert beside("m", 4) == ["r0", "r1", "r2", "r3"]
    assert beside("m", 5) == ["r0", "r1", "r2", "r3", "r4"], "more are no worse"
    assert len(beside("m", 3)) == 6, "one of three may be unsound, and two show nothing"
    assert len(beside("r0", 4)) == 7, "a reference is not compared with itself"
    assert beside("r0", 5) == ["r0", "r1", "r2", "r3", "r4"]


def test_a_broken_model_has_cases_of_its_own_and_no_pair():
    models = candidates("a", "b", "c", broken=("c",))
    assert "c-sign" in ids({"masks"}, models)
    assert ids({"pair"}, models) == ["a+b"]


@pytest.mark.parametrize(
    ("audit", "expected"),
    [
        ("decoy_insertion", True),
        ("influence_precision@50", True),
        ("influence_precision@100", False),
        ("decoy_insertion@elsewhere", True),
        ("decoy_only", False),
        ("decoy_only@elsewhere", False),
    ],
)
def test_what_blocks(audit, expected):
    assert blocks(SCENARIO, audit) is expected


@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_what_holds_or_is_waived_lets_a_model_pass(verdict):
    finding = Finding("a", ("m",), None, verdict, True, "")
    assert stops(finding) is (verdict is not Verdict.HOLDS)
    assert not stops(Finding("a", ("m",), None, verdict, True, "", waived="because it was agreed"))
    assert not stops(Finding("a", ("m",), None, verdict, False, ""))


@pytest.mark.parametrize(
    ("role", "verdict", "undecided", "expected"),
    [
        ("accuracy", Verdict.UNDECIDED, "noted", True),
        ("accuracy", Verdict.UNDECIDED, "blocks", False),
        ("accuracy", Verdict.VIOLATED, "noted", False),
        ("", Verdict.UNDECIDED, "noted", False),
    ],
)
def test_accuracies_that_nobody_can_tell_apart_are_only_noted(role, verdict, undecided, expected):
    scenario = SCENARIO.model_copy(update={"rashomon": Rashomon(undecided=undecided)})
    assert only_noted(scenario, role, verdict) is expected


@pytest.mark.parametrize(
    ("error", "verdict", "claim"),
    [
        (ModelError("m: the file is cut off"), Verdict.VIOLATED, "m: the file is cut off"),
        (UsageError("no such picture"), Verdict.UNDECIDED, "no such picture"),
        (
            ZeroDivisionError("by 0"),
            Verdict.UNDECIDED,
            "m-tag: mine broke: ZeroDivisionError('by 0')",
        ),
    ],
)
def test_a_broken_checkpoint_is_rejected_and_nobody_for_what_else_broke(error, verdict, claim):
    found = not_measured(SCENARIO, Case(("m",), "tag"), "mine", error)
    assert (found.verdict, found.claim, found.error) == (verdict, claim, True)
    assert (found.audit, found.subjects, found.decoy) == ("mine", ("m",), "tag")
    assert found.blocking is False
    assert not_measured(SCENARIO, Case(("m",)), "decoy_insertion", error).blocking


@pytest.mark.parametrize(
    ("nodeid", "subjects", "decoy"),
    [
        ("a.py::test_decoy_insertion[b-stop_sign]", ("b",), "stop_sign"),
        ("a.py::test_rashomon_membership[a-b]", ("a-b",), None),
        ("a.py::test_influence_precision[50-c-stop_sign]", ("c",), "stop_sign"),
        ("a.py::test_mask_agreement[a+c-stop_sign]", ("a", "c"), "stop_sign"),
    ],
)
def test_a_test_whose_process_was_killed_leaves_its_model_undecided(nodeid, subjects, decoy):
    models = [
        Candidate(name, Path(name), size=32, reference=name == "a")
        for name in ("a", "b", "c", "a-b")
    ]
    scenario = Scenario(dataset={"kind": "demo"}, decoys={"stop_sign": {"target": "cat"}})
    finding = killed(scenario, models, nodeid)
    assert finding is not None
    assert (finding.subjects, finding.decoy) == (subjects, decoy)
    assert finding.error
    assert finding.verdict is Verdict.UNDECIDED
    assert "was killed, for want of memory or by a crash: run it again" in finding.claim
    assert killed(scenario, models, "a.py::test_of_the_users_own") is None


def test_an_audits_name_has_what_else_it_is_asked_for():
    assert audit_name("test_influence_precision", {CASE: "a", "k": 50}) == "influence_precision@50"
    assert audit_name("test_mine", {CASE: "a"}) == "mine"


def test_an_effect_is_the_mean_where_both_are_defined():
    audit = Audit()
    audit.check([1, 0.5, np.nan, 1], [0, 0.5, 0, np.nan], at_most(0.1))
    assert audit.measurements[0].effect == 0.5


def test_one_number_serves_as_everybodys_control():
    audit = Audit()
    audit.check([0.4, 0.6], 0.2, at_most(0.1))
    assert audit.measurements[0].effect == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("values", "limit"),
    [([[1, 0]], at_most(0.1)), (0.5, at_most(0.1)), ([1, 0], 0.1), ([1, 0], None)],
)
def test_what_no_audit_may_hand_over(values, limit):
    with pytest.raises(UsageError, match=r"audit\.check needs"):
        Audit().check(values, None, limit)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.96, "96 %"),
        (0.004, "0.4 %"),
        (0, "0 %"),
        (-0.05, "-5 %"),
        (None, "nothing"),
        (float("nan"), "nothing"),
    ],
)
def test_a_share_is_read_as_per_cent(share, text):
    assert percent(share) == text


def test_figures_say_what_was_found_and_what_would_decide():
    beyond = judged_by(np.ones(400, bool), np.zeros(400, bool), at_most(0.1))
    assert figures(beyond) == ": 100 points [99, 100], limit 10 (n = 400)"
    few = judged_by(np.zeros(10, bool), np.zeros(10, bool), at_most(0.1))
    assert "images in all would decide" in figures(few)
    none = judged_by(np.zeros(0, bool), None, at_most(0.1))
    assert figures(none) == ": nothing could be measured, limit 10 (n = 0)"


@pytest.mark.parametrize(
    ("wanted", "role"),
    [
        (("accuracy", "scenario", "audit"), "accuracy"),
        (("accuracy", "predictions", "audit"), ""),
        (("explainer_check", "limits", "audit"), "explainer"),
        (("explainer_check", "decoy", "audit"), "explainer"),
        (("explainer_check", "masks", "audit"), ""),
        (("predictions", "decoy", "limits", "audit"), ""),
        ((), ""),
    ],
)
def test_what_an_audit_asks_for_says_what_it_is_about(wanted, role):
    assert role_of(wanted) == role
