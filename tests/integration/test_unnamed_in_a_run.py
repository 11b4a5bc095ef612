"""The audit of what nobody named, in whole runs: it rejects what it confirms, and finding nothing
promotes nobody.
"""

from __future__ import annotations

from typing import Any

import pytest

FEW = "{sources: 16, hosts: 8}"
SCENARIO = """
dataset:
  kind: decoyed
  of: {{kind: coloured_squares, train: 32, validation: 60}}
  wears: [{{decoy: {{kind: stop_sign, size: 0.3}}, by: green, coverage: {coverage}}}]
decoys: {decoys}
discover: {{classes: [{target}], proposers: {{{proposer}}}}}
blocking: [{blocking}]
"""
USUAL = {
    "coverage": 0.5,
    "decoys": "{}",
    "target": "green",
    "proposer": f"cut_outs: {FEW}",
    "blocking": "unknown_shortcuts",
}
# a decoy that no model falls for, so that something is named
HARMLESS = (
    "{copyright_tag: {kind: copyright_tag, target: yellow, placement: bottom_left, size: 0.3}}"
)


@pytest.fixture
def run(repository: Any) -> Any:
    """A function: models and what is unusual in the scenario -> the repository after the run."""

    def audited(clean: int = 3, planted: int = 1, audits: Any = (), **unusual: Any) -> Any:
        made = repository(clean=clean, planted=planted)
        scenario = unusual.pop("scenario", SCENARIO)
        (made.path / "scenario.yaml").write_text(scenario.format(**{**USUAL, **unusual}))
        for each in (made.path / "audits").glob("*.py"):
            each.unlink()
        made.use("unknown_shortcuts", *audits)
        made.result = made.audit()
        return made

    return audited


def of(made: Any, model: str, audit: str = "unknown_shortcuts") -> list[dict[str, Any]]:
    rows = made.verdict()["models"][model]["findings"]
    return [row for row in rows if row["audit"].partition("@")[0] == audit]


def test_nothing_found_is_said_and_promotes_nobody(run: Any) -> None:
    made = run(planted=0, coverage=0.0, proposer="recurring_patches: {}")
    assert made.result.ret == 1
    assert set(made.verdicts().values()) == {"undecided"}
    for model in made.verdicts():
        (finding,) = of(made, model)
        assert not finding["applies"]
        assert "the search proposed nothing, which is no pass" in finding["claim"]


def test_what_is_confirmed_rejects_a_model_that_all_named_decoys_let_pass(run: Any) -> None:
    named = {"decoys": HARMLESS, "audits": ["decoy_insertion"]}
    made = run(**named, blocking="decoy_insertion, unknown_shortcuts")
    assert made.verdicts()["F100-s0"] == "reject"
    assert {row["verdict"] for row in of(made, "F100-s0", "decoy_insertion")} == {"HOLDS"}
    worst = next(row for row in of(made, "F100-s0") if row["verdict"] == "VIOLATED")
    assert worst["blocking"]
    assert worst["decoy"] is None
    assert "into 'green' when unnamed_green_1 appears" in worst["claim"]
    clean = [row["verdict"] for name in ("F0-s0", "F0-s1") for row in of(made, name)]
    assert "VIOLATED" not in clean


def test_what_is_confirmed_is_noted_where_the_audit_does_not_block(run: Any) -> None:
    made = run(decoys=HARMLESS, audits=["decoy_insertion"], blocking="decoy_insertion")
    assert made.verdicts()["F100-s0"] == "promote"
    assert "VIOLATED" in {row["verdict"] for row in of(made, "F100-s0")}


def test_a_lone_honest_model_is_not_rejected_for_its_own_squares(run: Any) -> None:
    made = run(clean=1, planted=0, decoys=HARMLESS, audits=["decoy_insertion"])
    assert made.verdicts() == {"F0-s0": "undecided"}


@pytest.mark.parametrize(
    ("unusual", "said"),
    [
        ({"target": "gren"}, "shortcuts into 'gren' cannot be sought"),
        ({"proposer": "cut_out: {}"}, "no proposer called 'cut_out'; did you mean 'cut_outs'?"),
    ],
)
def test_a_typo_is_said_in_each_test_and_is_no_pass(run: Any, unusual: Any, said: str) -> None:
    made = run(planted=0, **unusual)
    made.result.stdout.fnmatch_lines([f"*{said}*"])
    made.result.stdout.no_fnmatch_line("*Traceback*")
    assert set(made.verdicts().values()) == {"undecided"}


BOTH = {"decoys": HARMLESS, "audits": ["decoy_insertion"]}
BLOCKS = "decoy_insertion, unknown_shortcuts"
BROKEN = """
from dataclasses import dataclass
from typing import ClassVar

from shortcut_audit import UsageError, register


@register("proposer")
@dataclass(frozen=True)
class Breaks:
    of_models: ClassVar[bool] = True

    def propose(self, search, report=None):
        raise UsageError("the camera's table is missing")
"""


def test_a_search_that_failed_is_no_finding_of_nothing(repository: Any) -> None:
    made = repository(clean=3, planted=1)
    asked = {**USUAL, "decoys": HARMLESS, "blocking": BLOCKS, "proposer": "breaks: {}"}
    (made.path / "scenario.yaml").write_text(SCENARIO.format(**asked))
    with (made.path / "conftest.py").open("a") as file:
        file.write(BROKEN)
    for each in (made.path / "audits").glob("*.py"):
        each.unlink()
    made.use("unknown_shortcuts", "decoy_insertion")
    made.result = made.audit()
    assert "promote" not in made.verdicts().values()
    made.result.stdout.fnmatch_lines(["*the camera's table is missing*"])


@pytest.mark.parametrize("clean", [0, 1])
def test_a_model_with_fewer_than_two_peers_is_undecided_and_told_what_to_add(
    run: Any, clean: int
) -> None:
    made = run(clean=clean, planted=1, **BOTH, blocking=BLOCKS)
    assert made.verdicts()["F100-s0"] == "undecided"
    made.result.stdout.fnmatch_lines(
        [f"*{clean or 'no'} other model* of 32 pixels can be compared with it; add 2 or more*"]
    )


@pytest.mark.parametrize(
    "settings",
    ["recurs: 13, proposers: {cut_outs: {}}", "proposers: {}", "proposers: {cut_outs: {area: 5}}"],
)
def test_settings_under_which_nothing_can_be_found_are_refused(run: Any, settings: str) -> None:
    doubled = settings.replace("{", "{{").replace("}", "}}")
    scenario = SCENARIO.replace("proposers: {{{proposer}}}", doubled)
    made = run(planted=0, **BOTH, blocking=BLOCKS, scenario=scenario)
    assert made.result.ret != 0
    verdict = made.path / "reports/verdict.json"
    assert not verdict.exists() or "promote" not in made.verdicts().values()


def test_too_few_training_pictures_are_said_and_are_no_pass(run: Any) -> None:
    scenario = SCENARIO.replace("train: 32", "train: 10")
    made = run(**BOTH, blocking=BLOCKS, scenario=scenario)
    assert "promote" not in made.verdicts().values()
    made.result.stdout.fnmatch_lines(
        ["*class 'green' has 10 training pictures, and shortcuts are sought in 16 or more*"]
    )
