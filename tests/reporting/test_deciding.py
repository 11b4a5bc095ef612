"""What every report says first: the order, the deciding finding, the sentence at the top."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from finding_of import finding_of

from shortcut_audit.exhibits import Exhibit
from shortcut_audit.records import Candidate, Decision, ModelReport, Report, Verdict
from shortcut_audit.reporting import record
from shortcut_audit.reporting.assembly import model_report
from shortcut_audit.reporting.conclusion import nobody
from shortcut_audit.reporting.deciding import (
    SYMBOLS,
    deciding,
    effect,
    figures,
    headline,
    limit,
    ordered,
    would_change,
)
from shortcut_audit.scenario import Scenario

SCENARIO = Scenario(
    dataset={"kind": "demo"},
    decoys={"stop_sign": {"target": "cat"}},
    blocking=("decoy_insertion",),
)


def found(verdict=Verdict.VIOLATED, claim="it turns", **more):
    figures = {"value": 0.94, "low": 0.91, "high": 0.96, "n": 372, "limit": 0.1} | more
    about = {"audit": "decoy_insertion", "decoy": "stop_sign"}
    about = {key: figures.pop(key, known) for key, known in about.items()}
    blocking = figures.pop("blocking", True)
    return finding_of(
        subjects=("m",), verdict=verdict, blocking=blocking, claim=claim, **about, **figures
    )


def of(*findings, **scenario) -> ModelReport:
    return model_report(
        Candidate("m", Path("m.pt")), findings, SCENARIO.model_copy(update=scenario)
    )


def run(exit_code=1, **models) -> Report:
    return Report(models, (), {"path": "s", "digest": "0" * 64}, {}, exit_code=exit_code)


REJECTED, HELD = of(found()), of(found(Verdict.HOLDS, "nothing", value=0.0, low=0.0, high=0.02))
UNDECIDED = of(found(Verdict.UNDECIDED, "it may: undecided"))
WAIVED = of(found(waived="agreed"))


def test_rejected_models_come_first_and_those_of_one_verdict_as_they_stood(report):
    assert [name for name, _ in ordered(report)] == ["bad", "broken", "unsure", "excused", "good"]
    turned = replace(report, models=dict(reversed(report.models.items())))
    assert [name for name, _ in ordered(turned)] == ["broken", "bad", "unsure", "excused", "good"]
    assert len(set(SYMBOLS.values())) == len(Decision) == len(SYMBOLS)


def test_the_deciding_finding_is_the_one_that_the_sentence_is_taken_from(report):
    for model in report.models.values():
        finding = deciding(model)
        assert finding in model.findings
        if model.decision is not Decision.PROMOTE:
            assert model.sentence.startswith(finding.claim)
    elsewhere = found(audit="decoy_insertion@elsewhere", value=0.99, claim="elsewhere")
    few = found(Verdict.UNDECIDED, "few")
    assert deciding(of(few, elsewhere, found())).claim == "it turns"
    assert deciding(of(few, elsewhere)).claim == "elsewhere"
    same = found(Verdict.UNDECIDED, "it turns")
    assert deciding(of(same, found())).verdict is Verdict.VIOLATED


def test_of_a_promoted_model_what_came_nearest_to_its_limit_is_shown():
    near = found(Verdict.HOLDS, "near", value=0.05, low=0.01, high=0.09)
    far = found(Verdict.HOLDS, "far", value=0.2, high=0.25, limit=0.4, audit="mask_localisation")
    unnamed = replace(
        near,
        audit="decoy_insertion@stronger",
        claim="nearer",
        judgement=replace(near.judgement, limit=0.09),
    )
    noted = found(Verdict.VIOLATED, "noted", blocking=False)
    able = found(Verdict.HOLDS, "able", decoy=None, audit="above_chance", limit=0.2)
    empty = found(Verdict.HOLDS, "empty", n=0, high=float("nan"))
    assert deciding(of(noted, able, empty, far, unnamed, near)).claim == "near"
    assert deciding(of(able, empty)) is None


def test_nothing_decided_where_an_audit_is_missing_or_the_run_was_cut_short():
    missing = of(found(Verdict.HOLDS, "nothing"), blocking=("decoy_insertion", "shown_by_masks"))
    assert deciding(missing) is None
    cut = nobody(run(m=REJECTED), "the run was killed: run it again").models["m"]
    assert deciding(cut) is None
    assert would_change(missing) == "run the whole suite to promote it"
    assert would_change(cut) == "run it again"


def test_effects_and_limits_have_their_units():
    able = found(
        Verdict.UNDECIDED,
        audit="above_chance",
        decoy=None,
        value=0.22,
        low=0.178,
        high=0.27,
        limit=0.2,
    )
    assert (effect(found()), limit(found())) == ("94 points [91, 96]", "10")
    assert (effect(able), limit(able)) == ("22 % right [18, 27]", "chance, 20 %")
    assert limit(found(limit=0.125)) == "12.5"
    assert limit(found(Verdict.HOLDS, excess=0.02, excess_high=0.05)) == "10 beyond clean models"
    assert effect(found(value=-0.001, low=-0.004, high=0.01)) == "0 points [0, 1]"
    nothing = found(n=0, value=None, low=None, high=None, limit=None)
    assert (effect(nothing), limit(nothing)) == ("not measured", "")


@pytest.mark.parametrize(
    ("finding", "said"),
    [
        (found(), "94 points [91, 96]; limit 10"),
        (
            found(Verdict.HOLDS, value=0.086, low=0.07, high=0.1, excess=0.048, excess_high=0.078),
            "9 points [7, 10]; clean models show 4 as well, so that 5 (at most 8) are its own; limit 10",
        ),
        (
            found(Verdict.HOLDS, value=0.06, low=0.02, high=0.11, excess=-0.107, excess_high=0.002),
            "6 points [2, 11]; clean models show 17 as well, so that at most 0 are its own; limit 10",
        ),
        (
            found(audit="above_chance", decoy=None, value=0.22, low=0.178, high=0.27, limit=0.2),
            "22 % right [18, 27]; chance, 20 %",
        ),
        (found(n=0, value=None, low=None, high=None, limit=None), "not measured"),
    ],
)
def test_figures_say_what_is_the_models_own(finding, said):
    assert figures(finding) == said


EXHIBIT = Exhibit("bad", "0" * 64, "stop_sign", "cat", 300, 290)


def test_the_headline_names_who_is_held_and_why(report):
    assert headline(replace(report, exhibits=())) == (
        "3 of 5 models must not be promoted: bad leans on stop_sign; broken could not be audited; "
        "unsure is undecided"
    )
    shown = headline(replace(report, exhibits=(EXHIBIT,)))
    assert ": bad leans on stop_sign for 'cat'; " in shown
    few = run(a=REJECTED, b=HELD, c=REJECTED, d=REJECTED)
    assert headline(few) == "3 of 4 models must not be promoted: a, c and d lean on stop_sign"
    assert headline(run(a=REJECTED)) == "The model must not be promoted: a leans on stop_sign"
    slow = of(found(role="accuracy", audit="rashomon_membership", decoy=None))
    assert headline(run(a=slow)).endswith(": a fails rashomon_membership")


def test_a_class_is_not_named_where_the_finding_is_about_another_one():
    other = of(found(audit="decoy_insertion@elsewhere"))
    shown = replace(run(bad=other), exhibits=(EXHIBIT,))
    assert headline(shown) == "The model must not be promoted: bad leans on stop_sign"


def test_a_long_headline_is_cut():
    many = run(**{f"m{i}": REJECTED for i in range(100)})
    assert headline(many) == (
        "100 of 100 models must not be promoted: m0, m1, m2, m3, m4 and 95 others lean on stop_sign"
    )
    six = run(**{f"m{i}": REJECTED for i in range(6)})
    assert headline(six).endswith(": m0, m1, m2, m3, m4 and m5 lean on stop_sign")
    decoys = {f"m{i}": of(found(decoy=f"d{i % 5}")) for i in range(10)}
    assert headline(run(**decoys)) == (
        "10 of 10 models must not be promoted: m0 and m5 lean on d0; m1 and m6 lean on d1; "
        "m2 and m7 lean on d2; 4 more for other reasons"
    )


PAIR = finding_of("mask_agreement", ("a", "b"), "stop_sign", Verdict.VIOLATED, True, "they part")


@pytest.mark.parametrize(
    ("report", "sentence"),
    [
        (run(0, a=HELD), "The model may be promoted"),
        (run(0, a=WAIVED), "The model may be promoted by a waiver"),
        (run(0, a=HELD, b=WAIVED), "All 2 models may be promoted, 1 of them by a waiver"),
        (
            replace(run(1, a=HELD, b=HELD), pairs=(PAIR, replace(PAIR, blocking=False))),
            "All 2 models may be promoted, but the run failed: a finding about a pair of models blocks",
        ),
        (
            replace(run(1, a=HELD, b=HELD), pairs=(PAIR, PAIR)),
            "All 2 models may be promoted, but the run failed: 2 findings about pairs of models block",
        ),
        (
            run(1, a=HELD),
            "The model may be promoted, but the run failed: see in pytest's own report which test did",
        ),
        (run(1), "Nothing was audited, so that nobody may be promoted"),
        (
            replace(run(2), finished=False),
            "The run did not come to its end, so that nobody may be promoted",
        ),
        (
            replace(nobody(run(2, a=HELD), "it was killed"), finished=False),
            "The run did not come to its end, so that nobody may be promoted",
        ),
    ],
)
def test_the_headline_of_a_run_that_keeps_no_model(report, sentence):
    assert headline(report) == sentence
    assert (report.exit_code == 0) is (
        "may be promoted" in sentence and "but" not in sentence and "nobody" not in sentence
    )


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (HELD, ""),
        (WAIVED, "the end of the waiver: without it the model is not promoted"),
        (
            REJECTED,
            "train it on pictures in which stop_sign does not go with one class, and audit it again. "
            "The effect must then be shown to be at most 10 points",
        ),
        (
            of(found(decoy=None, audit="mine")),
            "correct the model, and audit it again. "
            "The effect must then be shown to be at most 10 points",
        ),
        (
            of(found(Verdict.UNDECIDED, "it may; undecided: about 900 images in all would decide")),
            "about 900 images in all would decide",
        ),
        (
            of(found(Verdict.UNDECIDED, "it may", n=0)),
            "pictures on which it can be measured, and another audit",
        ),
        (
            of(found(role="accuracy")),
            "a model that is as accurate as the set's best, or a larger rashomon.epsilon",
        ),
        (of(found(role="explainer")), "another explainer in the scenario (masks.explainer)"),
        (of(found(error=True)), "put right what the sentence names, and audit it again"),
    ],
)
def test_what_would_change_a_verdict_is_said(model, words):
    assert would_change(model) == words


def test_the_same_is_said_of_what_was_written_and_read_back(report):
    for model in report.models.values():
        rows = [record.as_row(finding) for finding in model.findings]
        again = replace(model, findings=tuple(map(record.from_row, rows)))
        assert would_change(again) == would_change(model)
        assert record.as_row(deciding(again)) == record.as_row(deciding(model))
        assert bool(would_change(model)) is (model.decision is not Decision.PROMOTE)


def test_nothing_heavy_is_imported():
    code = "import sys, shortcut_audit.reporting.deciding; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
