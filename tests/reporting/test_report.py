"""Findings -> Report -> files: one model of each verdict."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from finding_of import finding_of

from shortcut_audit import UsageError, registry
from shortcut_audit.records import Candidate, Decision, Verdict
from shortcut_audit.reporting import record
from shortcut_audit.reporting.assembly import assemble, model_report, with_blame
from shortcut_audit.reporting.conclusion import left_out, nobody
from shortcut_audit.reporting.matrix import disagreements, matrix, reasons
from shortcut_audit.reporting.rewrite import read_report, written_again
from shortcut_audit.scenario import Scenario

SCHEMA = json.loads((Path(record.__file__).parent / "verdict.schema.json").read_text())


def test_each_model_gets_its_verdict(report):
    assert {name: model.decision for name, model in report.models.items()} == {
        "good": Decision.PROMOTE,
        "bad": Decision.REJECT,
        "unsure": Decision.UNDECIDED,
        "excused": Decision.WAIVED,
        "broken": Decision.REJECT,
    }
    assert report.exit_code == 1
    assert [finding.audit for finding in report.pairs] == ["mask_agreement"]
    assert report.models["broken"].sha256 is None


PAIR = finding_of(
    "mask_agreement",
    ("good", "bad"),
    "stop_sign",
    Verdict.VIOLATED,
    True,
    "they disagree",
    0.5,
    n=60,
    limit=0.2,
)


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (
            [("bad", "decoy_insertion", "stop_sign")],
            "evidence of its own speaks against bad (decoy_insertion)",
        ),
        (
            [
                ("bad", "decoy_insertion", "stop_sign"),
                ("bad", "mask_localisation", "stop_sign"),
                ("good", "decoy_only", "stop_sign"),
            ],
            "evidence of its own speaks against good (decoy_only) and bad (decoy_insertion, mask_localisation)",
        ),
        ([("bad", "decoy_insertion", "tag")], "no evidence of its own speaks against either alone"),
        (
            [("bad", "explainer_sanity", "stop_sign")],
            "no evidence of its own speaks against either alone",
        ),
        (
            [("other", "decoy_insertion", "stop_sign")],
            "no evidence of its own speaks against either alone",
        ),
        ([], "no evidence of its own speaks against either alone"),
    ],
)
def test_a_pair_names_whom_evidence_of_its_own_speaks_against(own, words):
    roles = {"explainer_sanity": "explainer"}
    findings = [
        finding_of(
            audit, (model,), decoy, Verdict.VIOLATED, False, "it does", role=roles.get(audit, "")
        )
        for model, audit, decoy in own
    ]
    assert with_blame(PAIR, findings).claim == f"they disagree; {words}"
    held = replace(PAIR, verdict=Verdict.HOLDS)
    assert with_blame(held, findings) == held


def test_a_pair_never_rejects_a_model_but_one_that_blocks_fails_the_run(report):
    candidates = [
        Candidate(name, Path(f"{name}.pt"), reference=name == "good") for name in ("good", "bad")
    ]
    held = [
        finding_of(
            "decoy_insertion",
            (name,),
            "stop_sign",
            Verdict.HOLDS,
            True,
            "nothing",
            0.0,
            n=300,
            limit=0.1,
        )
        for name in ("good", "bad")
    ]
    scenario = Scenario(
        dataset={"kind": "demo"},
        decoys={"stop_sign": {"target": "cat"}},
        blocking=("decoy_insertion",),
    )
    found = assemble([*held, PAIR], candidates, scenario, "scenario.yaml", {})
    assert {model.decision for model in found.models.values()} == {Decision.PROMOTE}
    assert found.exit_code == 1
    assert "against either alone" in found.pairs[0].claim


ONE_DECOY = Scenario(
    dataset={"kind": "demo"},
    decoys={"stop_sign": {"target": "cat"}},
    blocking=("decoy_insertion",),
)
HELD = finding_of(
    "decoy_insertion", ("m",), "stop_sign", Verdict.HOLDS, True, "nothing", 0.0, n=300, limit=0.1
)


def test_nobody_is_promoted_whose_file_is_not_the_one_that_was_audited(tmp_path):
    file = tmp_path / "m.pt"
    file.write_bytes(b"the weights")
    then = hashlib.sha256(b"the weights").hexdigest()
    audited = replace(HELD, sha256=(then,))

    def found(*others):
        return model_report(Candidate("m", file), (audited,), ONE_DECOY, others)

    assert (found().decision, found().sha256) == (Decision.PROMOTE, then)
    assert found("0" * 64).sentence == (
        f"m: 'm.pt' changed since it was audited (SHA-256 {'0' * 12} and {then[:12]}, "
        f"{then[:12]} now): audit it again"
    )
    file.write_bytes(b"other weights")
    now = hashlib.sha256(b"other weights").hexdigest()
    assert found().decision is Decision.UNDECIDED
    assert found().sentence == (
        f"m: 'm.pt' changed since it was audited (SHA-256 {then[:12]}, {now[:12]} now): audit it again"
    )
    file.unlink()
    assert found().decision is Decision.UNDECIDED
    assert f"(SHA-256 {then[:12]}, gone)" in found().sentence
    audited = replace(audited, verdict=Verdict.VIOLATED)
    assert found().sentence == "nothing", "a rejection is said as it is"


def test_the_file_that_was_asked_in_a_pair_is_one_that_was_audited(tmp_path):
    file = tmp_path / "m.pt"
    file.write_bytes(b"the weights")
    same, other = hashlib.sha256(b"the weights").hexdigest(), "0" * 64
    pair = finding_of("mask_agreement", ("a", "m"), "stop_sign", Verdict.HOLDS, False, "they agree")

    def found(*digests):
        findings = [HELD, replace(pair, sha256=digests)]
        return assemble(findings, [Candidate("m", file)], ONE_DECOY, "s", {}).models["m"].decision

    assert found(other, same) is Decision.PROMOTE, "the other one's file is not its own"
    assert found(same, other) is Decision.UNDECIDED


def of_m(*findings, **scenario):
    """The decision on a model with these findings, and its sentence."""
    found = model_report(
        Candidate("m", Path("m.pt")), findings, ONE_DECOY.model_copy(update=scenario)
    )
    return found.decision, found.sentence


def test_the_sentence_is_of_what_was_not_measured_then_of_what_is_named_then_of_the_worst():
    wrong = replace(HELD, verdict=Verdict.VIOLATED)

    def at(value, claim, **more):
        estimate = replace(wrong.judgement.estimate, value=value)
        return replace(
            wrong, judgement=replace(wrong.judgement, estimate=estimate), claim=claim, **more
        )

    unknown, little, much = at(math.nan, "unknown"), at(0.3, "little"), at(0.5, "much")
    elsewhere = at(0.9, "elsewhere", audit="decoy_insertion@elsewhere")
    stronger = at(0.8, "stronger", audit="decoy_insertion@stronger")
    broken = at(math.nan, "broken", error=True)
    ranked = [broken, much, little, unknown, elsewhere, stronger]
    for place, worst in enumerate(ranked):
        assert of_m(HELD, *ranked[place:]) == (Decision.REJECT, worst.claim)
        assert of_m(*reversed(ranked[place:])) == (Decision.REJECT, worst.claim)
    few = replace(much, verdict=Verdict.UNDECIDED)
    assert of_m(few, stronger) == (Decision.REJECT, "stronger"), "a rejection goes first"
    assert of_m(few, HELD) == (Decision.UNDECIDED, "much")


def test_a_waived_model_is_told_which_claim_was_waived_and_why():
    words = "by Jane Doe until 2100-01-31: it was agreed"
    first = replace(HELD, verdict=Verdict.VIOLATED, claim="it turns", waived=words)
    second = replace(first, claim="it leans", waived="by nobody")
    assert of_m(HELD, first, second) == (Decision.WAIVED, f"it turns; waived {words}")


@pytest.mark.parametrize(
    ("scenario", "sentence"),
    [
        ({"blocking": ("decoy_insertion", "influence_precision@50")}, None),
        ({"blocking": ("decoy_insertion", "influence_precision")}, None),
        (
            {"blocking": ("decoy_insertion", "influence_precision@100")},
            "m was not audited by influence_precision@100: run the whole suite to promote it",
        ),
        (
            {"blocking": ("decoy_insertoin",)},
            "m was not audited by decoy_insertoin: run the whole suite to promote it; did you mean 'decoy_insertion'?",
        ),
        (
            {"decoys": {}},
            "m: the scenario names no decoy, so that nothing was looked for: add one to 'decoys'",
        ),
    ],
)
def test_a_model_is_promoted_where_every_blocking_audit_has_looked(scenario, sentence):
    influence = replace(HELD, audit="influence_precision@50")
    decision, said = of_m(HELD, influence, **scenario)
    if sentence is None:
        assert decision is Decision.PROMOTE
    else:
        assert (decision, said) == (Decision.UNDECIDED, sentence)


def test_a_decoy_that_no_blocking_audit_looked_at_promotes_nobody():
    able = finding_of("rashomon_membership", ("m",), None, Verdict.HOLDS, True, "as accurate")
    assert of_m(able, blocking=("rashomon_membership",)) == (
        Decision.UNDECIDED,
        "m: no audit that blocks looked at stop_sign: add one that does to 'blocking', such as decoy_insertion",
    )
    both = ("decoy_insertion", "rashomon_membership")
    assert of_m(able, HELD, blocking=both)[0] is Decision.PROMOTE


def test_how_accurate_a_model_is_is_said_once_and_everything_else_as_often_as_it_was_found():
    able = finding_of("above_chance", ("m",), None, Verdict.HOLDS, False, "it is right")
    found = assemble(
        [able, HELD, replace(able, claim="and again"), HELD],
        [Candidate("m", Path("m.pt"))],
        ONE_DECOY,
        "s",
        {},
    )
    assert found.models["m"].findings == (able, HELD, HELD)
    assert found.exit_code == 0
    assert assemble([], [Candidate("m", Path("m.pt"))], ONE_DECOY, "s", {}).exit_code == 1


def test_an_audit_that_does_not_apply_to_a_decoy_is_not_missing():
    masks = finding_of(
        "mask_localisation", ("m",), "stop_sign", Verdict.UNDECIDED, False, "no", applies=False
    )
    scenario = ONE_DECOY.model_copy(update={"blocking": ("decoy_insertion", "mask_localisation")})

    def found(*findings):
        return model_report(Candidate("m", Path("m.pt")), findings, scenario)

    assert found(HELD, masks).decision is Decision.PROMOTE
    lacking = "m was not audited by mask_localisation: run the whole suite to promote it"
    assert found(HELD).sentence == lacking
    assert found(HELD, replace(masks, applies=True)).sentence == lacking, "it does not block"


def test_a_promotion_says_what_would_have_been_found_and_what_is_no_shortcut():
    loud = finding_of(
        "decoy_insertion",
        ("m",),
        "blur",
        Verdict.HOLDS,
        True,
        "m turns 60 %, 58 % under the control",
        0.02,
        n=300,
        limit=0.1,
        observed=0.6,
        control=0.58,
        detectable=0.21,
    )
    little = replace(loud.judgement, observed=0.02, control=0.0, detectable=0.15)
    quiet = replace(loud, decoy="tag", judgement=little, claim="m turns 2 %")
    scenario = Scenario(
        dataset={"kind": "demo"},
        decoys={"blur": {"target": "cat"}, "tag": {"target": "cat"}},
        blocking=("decoy_insertion",),
    )
    both = assemble([loud, quiet], [Candidate("m", Path("m.pt"))], scenario, "s", {}).models["m"]
    assert both.sentence == (
        "m was audited for 2 decoys, and no shortcut was found; an effect of 21 points would have been found; "
        "what a neutral control does as well is none: m turns 60 %, 58 % under the control"
    )
    alone = assemble([quiet], [Candidate("m", Path("m.pt"))], scenario, "s", {}).models["m"]
    assert (
        alone.sentence
        == "m was not audited by decoy_insertion with blur: run the whole suite to promote it"
    )


def test_the_matrix_says_what_does_not_apply_and_what_would_be_found(report):
    model = report.models["good"]
    hollow = finding_of(
        "mask_localisation",
        ("good",),
        "blur",
        Verdict.UNDECIDED,
        False,
        "does not apply",
        applies=False,
    )
    first = model.findings[0]
    able = replace(first, judgement=replace(first.judgement, detectable=0.151))
    found = replace(model, findings=(able, hollow))
    lines = matrix(replace(report, models={**report.models, "good": found}))
    assert lines[2].split() == ["good", "1", "n/a", "promote"]
    assert lines[7].split() == ["finds", "15"]


def test_how_far_the_members_disagree_is_written_and_read_back(report, tmp_path):
    four = {
        "ambiguity": 0.62,
        "discrepancy": 0.5,
        "viable_prediction_range": 0.4,
        "rashomon_capacity": 0.551,
    }
    none = dict.fromkeys(four, 0.0)
    block = {
        "stop_sign": {
            "members": ["good", "bad"],
            "images": 120,
            "plain": none,
            "decoyed": four,
            "control": none,
        }
    }
    path = registry.build("reporter", "verdict_json").write(
        replace(report, multiplicity=block), tmp_path
    )
    jsonschema.validate(json.loads(path.read_text()), SCHEMA)
    again = read_report(path)
    assert again.multiplicity == block
    assert list(disagreements(again)) == [
        "2 equally accurate models disagree on 62 % of other images with stop_sign, on 0 % under the control, on 0 % without "
        "(capacity 0.55, 0.00, 0.00 bits)"
    ]
    assert "multiplicity" not in json.loads(
        registry.build("reporter", "verdict_json").write(report, tmp_path).read_text()
    )


@pytest.mark.parametrize("name", registry.names("reporter"))
def test_every_reporter_writes_one_file_in_one_piece(report, tmp_path, name):
    folder = tmp_path / "reports"
    path = registry.build("reporter", name).write(report, folder)
    assert [found.name for found in folder.iterdir()] == [path.name]
    text = path.read_text()
    for model in report.models:
        assert model in text


def test_the_verdict_file_follows_its_schema_and_is_read_back(report, tmp_path):
    path = registry.build("reporter", "verdict_json").write(report, tmp_path)
    document = json.loads(path.read_text())
    jsonschema.validate(document, SCHEMA)
    assert "NaN" not in path.read_text()
    again = read_report(path)
    assert again.models["bad"] == report.models["bad"]
    assert again.exit_code == report.exit_code


def test_the_schema_can_refuse(report, tmp_path):
    document = json.loads(
        registry.build("reporter", "verdict_json").write(report, tmp_path).read_text()
    )
    document["models"]["good"]["verdict"] = "fine"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


def test_the_matrix_shows_the_figure_and_the_verdict(report):
    lines = matrix(report)
    assert [line.split()[0] for line in lines[2:7]] == list(report.models)
    assert lines[3].split() == ["bad", "94!", "50!", "reject"]
    assert lines[4].split() == ["unsure", "-?", "undecided"]
    sentences = list(reasons(report))
    assert len(sentences) == 4
    assert sentences[0].startswith("reject: bad turns 96 %")


def test_a_row_survives_the_record(report, tmp_path):
    findings = [
        replace(found, waived="") for model in report.models.values() for found in model.findings
    ]
    for found in findings:
        record.append(tmp_path / "record.jsonl", [record.as_row(found)])
    with (tmp_path / "record.jsonl").open("a") as cut_off:
        cut_off.write('{"audit": "decoy_ins')
    _, read = record.read(tmp_path / "record.jsonl")
    assert [found.claim for found in read] == [found.claim for found in findings]
    assert all(isinstance(found.verdict, Verdict) for found in read)
    assert math.isnan(read[2].judgement.estimate.value)
    assert [record.as_row(found) for found in read] == [record.as_row(found) for found in findings]


def test_of_a_test_that_is_run_again_the_last_row_counts(report, tmp_path):
    path = tmp_path / "record.jsonl"
    first, second = (
        replace(model.findings[0], case="a::b") for model in list(report.models.values())[:2]
    )
    record.append(path, [record.as_row(first)])
    record.forget(path, "a::b")
    record.append(path, [record.as_row(second), record.as_row(replace(first, case="c"))])
    assert [(found.case, found.subjects) for found in record.read(path)[1]] == [
        ("a::b", second.subjects),
        ("c", first.subjects),
    ]


def test_what_no_test_says_is_left_out(report):
    assert left_out(report) == {}
    silent = replace(
        report.models["unsure"], sentence="unsure was not audited by mask_localisation"
    )
    assert left_out(replace(report, models={"unsure": silent})) == {"unsure": silent.sentence}
    assert "nothing was audited" in left_out(replace(report, models={}))["audit"]
    assert {model.decision for model in nobody(report, "why").models.values()} == {
        Decision.UNDECIDED
    }
    assert left_out(nobody(report, "why"))["good"] == "good is undecided: why"


def test_the_report_is_written_again_from_the_verdict(report, tmp_path):
    registry.build("reporter", "verdict_json").write(report, tmp_path)
    assert "reject: bad turns" in "\n".join(written_again(tmp_path))
    assert (tmp_path / "junit-per-model.xml").is_file()


def test_a_file_that_cannot_be_written_again_is_one_sentence_and_none_is_old(report, tmp_path):
    registry.build("reporter", "verdict_json").write(report, tmp_path)
    before = (tmp_path / "verdict.json").read_bytes()
    for name in ("summary.md", "mlflow_tags.json", "technical_documentation.md"):
        (tmp_path / name).write_text("old")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(UsageError, match=r"cannot write '[^']*/report.html' \(Is a directory\)"):
        list(written_again(tmp_path))
    assert (tmp_path / "verdict.json").read_bytes() == before
    for name in ("summary.md", "mlflow_tags.json", "technical_documentation.md"):
        assert (tmp_path / name).read_text() != "old"


def test_a_file_that_could_not_be_written_again_is_gone(report, tmp_path, monkeypatch):
    registry.build("reporter", "verdict_json").write(report, tmp_path)

    def full(*_):
        raise OSError(28, "No space left on device")

    (tmp_path / "summary.md").write_text("old")
    monkeypatch.setattr(registry.lookup("reporter", "summary_md"), "write", full)
    with pytest.raises(UsageError, match="No space left on device"):
        list(written_again(tmp_path))
    assert not (tmp_path / "summary.md").exists()
    assert (tmp_path / "report.html").is_file()


@pytest.mark.parametrize("content", [None, "", "{}", '{"models": 3}'])
def test_a_bad_verdict_file_is_one_sentence(tmp_path, content):
    path = tmp_path / "verdict.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match="verdict"):
        read_report(path)


def test_a_run_that_was_killed_leaves_a_report_that_promotes_nobody(report, tmp_path):
    path = tmp_path / record.NAME
    described = {
        name: {"file": each.file, "reference": each.reference}
        for name, each in report.models.items()
    }
    record.begin(path, {"scenario": report.scenario, "models": described})
    for model in report.models.values():
        record.append(path, [record.as_row(finding) for finding in model.findings])
    lines = list(written_again(tmp_path))
    assert any(
        line.startswith("undecided: good is undecided: the run was killed") for line in lines
    )
    document = json.loads((tmp_path / "verdict.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["finished"] is False
    assert document["exit_code"] == 2
    assert {model["verdict"] for model in document["models"].values()} == {"undecided"}
    assert set(document["models"]) == set(report.models)


@pytest.mark.parametrize("lines", ["", '{"run": {}}\n', "no json\n"])
def test_a_record_without_a_finding_is_one_sentence(tmp_path, lines):
    (tmp_path / record.NAME).write_text(lines)
    with pytest.raises(UsageError, match=r"record.jsonl' holds no finding: run `pytest audits/"):
        list(written_again(tmp_path))
