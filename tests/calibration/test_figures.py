"""Rates against scipy, scikit-learn and counts by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from finding_of import finding_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from shortcut_audit.calibration.behaviour import Behaviour, behaviour, specific_insertion
from shortcut_audit.calibration.figures import figures
from shortcut_audit.calibration.outcomes import found, score
from shortcut_audit.calibration.page import page, write
from shortcut_audit.calibration.population import Trial
from shortcut_audit.calibration.rates import alarms, auroc, found_among, once
from shortcut_audit.calibration.trials import Outcome, as_line, from_line
from shortcut_audit.observations import Predictions
from shortcut_audit.records import Decision, Verdict
from shortcut_audit.scenario import Scenario
from shortcut_audit.training.plan import Job

HOLDS, VIOLATED, UNDECIDED = Verdict.HOLDS, Verdict.VIOLATED, Verdict.UNDECIDED
SCENARIO = Scenario(
    dataset={"kind": "demo"},
    decoys={"ruler": {"target": "cat"}, "blur": {"target": "fish"}},
    calibration={"fresh": {"seed": 1, "validation": 50}, "tuning": ["ruler"]},
)


def outcome(
    verdict=HOLDS,
    decoy=None,
    coverage=0.0,
    insertion=0.0,
    decision=None,
    seed=0,
    member=HOLDS,
    value=None,
    **job,
):
    """A model audited with its own decoy (or the ruler) and the other one; `verdict` is about the
    first.
    """
    pair = ("blur", "ruler") if decoy == "blur" else ("ruler", "blur")
    name = f"F{coverage}-s{seed}"
    findings = (
        finding_of(
            "decoy_insertion",
            (name,),
            pair[0],
            verdict,
            True,
            "",
            value=insertion if value is None else value,
            limit=0.1,
        ),
        finding_of("decoy_insertion", (name,), pair[1], HOLDS, True, "", value=0.01, limit=0.1),
        finding_of(
            "rashomon_membership",
            (name,),
            None,
            member,
            True,
            "",
            value=0.0,
            limit=0.05,
            control=0.9,
        ),
        finding_of("decoy_removal", (name,), pair[0], HOLDS, False, "", value=0.0, limit=0.1),
    )
    worst = max((verdict, member), key=[HOLDS, UNDECIDED, VIOLATED].index)
    usual = {HOLDS: Decision.PROMOTE, VIOLATED: Decision.REJECT, UNDECIDED: Decision.UNDECIDED}[
        worst
    ]
    trial = Trial(Job(name, decoy, coverage, seed, **job), "plain", ("A", "B"), pair)
    return Outcome(
        trial,
        decision or usual,
        {pair[0]: insertion, pair[1]: 0.02},
        {pair[0]: 0.0, pair[1]: 0.0},
        findings,
    )


@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=20),
    st.lists(st.integers(0, 6), min_size=1, max_size=20),
)
def test_auroc_is_scikit_learns(positive, negative):
    labels = [1] * len(positive) + [0] * len(negative)
    assert auroc(positive, negative) == pytest.approx(roc_auc_score(labels, positive + negative))


def test_auroc_of_one_kind_is_nothing():
    assert auroc([], [1.0]) is auroc([1.0], []) is None


@given(st.integers(1, 80), st.data())
def test_alarms_are_counted_and_bounded_as_scipy_does(count, data):
    wrong = data.draw(st.integers(0, count))
    told = alarms([outcome(VIOLATED if i < wrong else HOLDS, seed=i) for i in range(count)])
    exact = stats.binomtest(wrong, count).proportion_ci(0.90, method="exact")
    assert (told["clean"], told["false_alarms"], told["undecided_clean"]) == (count, wrong, 0)
    assert told["false_alarm_rate_at_most"] == pytest.approx(exact.high)


def test_none_of_sixty_claims_at_most_five_percent():
    assert alarms([outcome(seed=i) for i in range(60)])["false_alarm_rate_at_most"] < 0.05
    assert alarms([outcome(seed=i) for i in range(58)])["false_alarm_rate_at_most"] > 0.05


def test_a_model_counts_once_in_its_earliest_round():
    first, second = outcome(seed=1), outcome(VIOLATED, seed=1, insertion=0.3)
    second = replace(second, trial=replace(second.trial, round=1))
    other = replace(outcome(seed=2), trial=replace(outcome(seed=2).trial, round=1))
    assert sorted(once([second, other, first]), key=lambda each: each.trial.job.seed) == [
        first,
        other,
    ]


def test_a_model_is_found_by_its_own_decoy_and_not_by_its_accuracy():
    assert found(outcome(VIOLATED, "ruler", 1.0))
    lost = outcome(UNDECIDED, "ruler", 1.0, member=VIOLATED)
    assert lost.decision is Decision.REJECT
    assert not found(lost)
    assert found_among([outcome(VIOLATED, "ruler", 1.0, insertion=0.9), lost])["share"] == 0.5


def test_the_score_is_the_largest_effect_of_a_deciding_audit():
    assert score(outcome(insertion=0.3)) == 0.3
    assert score(outcome(insertion=-0.5)) == 0.01


def test_figures_by_hand():
    """Three clean models (one alarm, one undecided), four decoy models, two confusable ones."""
    told = figures(
        SCENARIO,
        [
            outcome(), outcome(VIOLATED, seed=1, insertion=0.3), outcome(UNDECIDED, seed=2, insertion=0.12),
            outcome(VIOLATED, "ruler", 1.0, 0.97), outcome(VIOLATED, "ruler", 0.5, 0.4),
            outcome(HOLDS, "ruler", 0.5, 0.02, seed=1), outcome(VIOLATED, "blur", 1.0, 0.9),
            outcome(HOLDS, "ruler", 0.05, 0.01), outcome(HOLDS, "ruler", 0.5, 0.0, worn_by="every"),
        ],
        planned=12,
    )  # fmt: skip
    assert (told["clean"], told["false_alarms"], told["undecided_clean"]) == (1, 0, 0)
    assert tuple(
        told["as_trained"][key] for key in ("clean", "false_alarms", "undecided_clean")
    ) == (3, 1, 1)
    assert told["power"] == {"1.0": 1.0, "0.5": 0.5}
    assert told["power_image_wide"]["1.0"]["found"] == 1
    assert {name: (row["found"], row["models"]) for name, row in told["power_by_behaviour"].items()} == {
        "decoy": (2, 2), "graded": (1, 1), "clean": (0, 1),
    }  # fmt: skip
    assert told["clean_by_behaviour"]["clean"] == 1
    assert {name: (row["tests"], row["violated"]) for name, row in told["tests_by_behaviour"].items()} == {
        "decoy": (0, 0), "graded": (2, 1), "clean": (4, 0),
    }  # fmt: skip
    assert (
        told["by_family"]["ruler"]["clean_tests"],
        told["by_family"]["ruler"]["clean_violated"],
    ) == (3, 1)
    assert [told["by_family"][name]["half"] for name in ("ruler", "blur")] == [
        "tuning",
        "reporting",
    ]
    assert told["by_audit"]["decoy_insertion"]["local"] == {"1.0": [1, 1], "0.5": [1, 2]}
    assert told["by_audit"]["decoy_removal"]["clean_violated"] == 0
    assert [row["worn_by"] for row in told["confusable"]] == ["target", "every"]
    positive, negative = [0.97, 0.4, 0.02, 0.9], [0.01, 0.3, 0.12]
    assert told["auroc"] == pytest.approx(roc_auc_score([1] * 4 + [0] * 3, positive + negative))
    assert told["auroc_by_behaviour"] == 1.0
    assert (told["finished"], told["planned"]) == (9, 12)


def test_the_page_says_what_the_figures_say_and_the_file_has_the_keys_of_the_contract(tmp_path):
    rows = [outcome(seed=i) for i in range(60)] + [
        outcome(VIOLATED, "ruler", c, 0.9) for c in (0.1, 0.25, 0.5, 1.0)
    ]
    write({"drawings": figures(SCENARIO, rows, 64)}, "the command", tmp_path)
    told = json.loads((tmp_path / "calibration.json").read_text())
    assert {
        "clean",
        "false_alarms",
        "undecided_clean",
        "power",
        "by_family",
        "auroc",
        "command",
        "date",
    } <= told.keys()
    assert set(told["power"]) == {"1.0", "0.5", "0.25", "0.1"}
    text = (tmp_path / "calibration.md").read_text()
    assert "| trained without a decoy, first round | 60 | 0 | 4.9 % | 0 |" in text
    assert "| local, coverage 0.25 | 1 / 1 | 100.0 % | 5.0 % |" in text
    assert "`the command`" in text


def test_a_page_of_clean_models_alone_can_be_written():
    assert any(
        "none" not in line and "–" in line
        for line in page({**figures(SCENARIO, [outcome()], 1), "command": ""})
    )


def test_an_outcome_survives_its_line():
    before = outcome(VIOLATED, "ruler", 1.0, 0.9)
    row = json.loads(as_line("key", before))
    assert (row["key"], row["model"]) == ("key", before.trial.job.name)
    assert from_line(row, before.trial) == before


def test_specific_insertion_is_that_of_the_other_classes_less_the_controls():
    to_zero, to_one = np.array([5.0, 0]), np.array([0, 5.0])
    decoyed = np.stack([to_zero, to_zero, to_zero, to_zero, to_one])
    control = np.stack([to_one, to_zero, to_one, to_one, to_one])
    nothing = np.zeros((0, 2))
    labels, alone = np.array([0, 1, 1, 1, 1]), np.zeros(0, np.int64)
    seen = Predictions(decoyed, decoyed, control, nothing, nothing, labels, np.arange(5), alone)
    assert specific_insertion(seen, 0) == pytest.approx(3 / 4 - 1 / 4)


@pytest.mark.parametrize(
    ("insertion", "label"),
    [(0.86, "decoy"), (0.85, "graded"), (0.1, "graded"), (0.09, "clean"), (-1, "clean")],
)
def test_behaviour_has_two_thresholds(insertion, label):
    assert behaviour(insertion) is Behaviour(label)
