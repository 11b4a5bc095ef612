"""Statements have the published structures, say what the verdict says, and nothing of it twice."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path

import jsonschema
import pytest
from finding_of import finding_of

from shortcut_audit import __version__
from shortcut_audit.attesting import attest as attesting
from shortcut_audit.attesting.statement import SVR, TEST_RESULT, read, verification_result
from shortcut_audit.cli import main
from shortcut_audit.files import sources
from shortcut_audit.gate.comparisons import Asked
from shortcut_audit.records import Decision, Finding, Verdict
from shortcut_audit.reporting.record import as_row

SCHEMA = json.loads((Path(attesting.__file__).parent / "statement.schema.json").read_text())
SHA = {
    name: hashlib.sha256(name.encode()).hexdigest() for name in ("good", "bad", "unsure", "excused")
}
SCENARIO = (
    b"dataset: {kind: demo}\ndecoys: {stop_sign: {target: cat}}\nblocking: [decoy_insertion]\n"
)


def finding(model: str, verdict: Verdict, audit: str = "decoy_insertion", **more) -> Finding:
    figures = {"value": 0.02, "low": -0.01, "high": 0.05, "level": 0.9, "n": 372, "limit": 0.1}
    decoy = more.pop("decoy", "stop_sign")
    blocking = more.pop("blocking", True)
    claim = f"what {audit} says of {model}"
    more = {**figures, "sha256": (SHA[model],), **more}
    return finding_of(audit, (model,), decoy, verdict, blocking, claim, **more)


def findings_of(model: str, verdict: Verdict, **more) -> list[Finding]:
    return [
        finding(model, verdict, **more),
        finding(
            model,
            Verdict.HOLDS,
            "above_chance",
            decoy=None,
            value=0.9,
            low=0.8,
            high=0.95,
            limit=0.2,
        ),
        finding(model, Verdict.VIOLATED, "influence_precision@50", blocking=False),
        finding(model, Verdict.HOLDS, "decoy_removal", blocking=False),
        finding(
            model,
            Verdict.HOLDS,
            "decoy_insertion@elsewhere",
            limit=0.4,
            excess=0.03,
            excess_high=0.07,
        ),
        finding(model, Verdict.UNDECIDED, "decoy_only", blocking=False, applies=False),
        finding(
            model,
            Verdict.UNDECIDED,
            "rank",
            blocking=False,
            error=True,
            value=None,
            limit=None,
            n=0,
        ),
    ]


VERDICTS = {
    "good": ("promote", findings_of("good", Verdict.HOLDS)),
    "bad": ("reject", findings_of("bad", Verdict.VIOLATED, value=0.94)),
    "unsure": ("undecided", findings_of("unsure", Verdict.UNDECIDED)),
    "excused": (
        "waived",
        findings_of(
            "excused",
            Verdict.VIOLATED,
            waived="by Jane Doe until 2100-01-31: agreed",
            waived_until="2100-01-31",
        ),
    ),
}


@pytest.fixture
def verdict(tmp_path) -> Path:
    """A finished run's verdict file, with the checkpoints and the scenario that it is about."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_bytes(SCENARIO)
    models = {}
    for name, (word, findings) in VERDICTS.items():
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(name.encode())
        models[name] = {
            "verdict": word,
            "sentence": f"{name} is a model",
            "sha256": SHA[name],
            "file": str(file),
            "reference": False,
            "findings": [as_row(each) for each in findings],
        }
    document = {
        "schema": 1,
        "finished": True,
        "exit_code": 1,
        "scenario": {"path": "scenario.yaml", "digest": hashlib.sha256(SCENARIO).hexdigest()},
        "suite": {"digest": "1" * 64, "files": {"test_decoy_insertion.py": "2" * 64}},
        "data": {"validation@64": "3" * 64, "stop_sign@64": "4" * 64},
        "models": models,
        "pairs": [],
        "provenance": {
            "time": "2027-01-31T13:00:00+01:00",
            "packages": {"shortcut-audit": __version__},
        },
    }
    path = tmp_path / "verdict.json"
    path.write_text(json.dumps(document))
    return path


def attested(verdict: Path, model: str, *more: str) -> tuple[int, dict[str, dict]]:
    """The exit code, and kind -> statement."""
    out = verdict.parent / "statements"
    code = main(["attest", str(verdict), "--model", model, "--out", str(out), *more])
    files = sorted(out.glob(f"{model}.*.json"))
    return code, {file.name.split(".")[1]: json.loads(file.read_text()) for file in files}


@pytest.mark.parametrize(
    ("model", "result", "kinds"),
    [
        ("good", "PASSED", {"test-result", "svr"}),
        ("bad", "FAILED", {"test-result"}),
        ("unsure", "WARNED", {"test-result"}),
        ("excused", "WARNED", {"test-result"}),
    ],
)
def test_each_verdict_has_its_result_and_only_a_promoted_model_is_verified(
    verdict, model, result, kinds, capsys
):
    code, written = attested(verdict, model)
    assert code == 0
    assert set(written) == kinds
    assert written["test-result"]["predicate"]["result"] == result
    said = capsys.readouterr().out
    assert f"{model}.test-result.json: {result}" in said
    assert "not compared: the scenario" in said
    for statement in written.values():
        jsonschema.validate(statement, SCHEMA)
        assert statement["subject"] == [
            {
                "name": f"{model}.safetensors",
                "digest": {"sha256": SHA[model]},
                "annotations": {"model": model},
            }
        ]


def test_the_published_types_take_them(verdict):
    protobuf = pytest.importorskip(
        "google.protobuf.json_format", reason="protobuf is not installed"
    )
    reason = "in-toto-attestation is not installed"
    test_results = pytest.importorskip(
        "in_toto_attestation.predicates.test_result.v0.test_result_pb2", reason=reason
    )
    statements = pytest.importorskip("in_toto_attestation.v1.statement", reason=reason)
    _, written = attested(verdict, "good")
    for statement in written.values():
        message = statements.spb.Statement()
        protobuf.ParseDict(statement, message)
        statements.Statement.copy_from_pb(message).validate()
        with pytest.raises(protobuf.ParseError):
            protobuf.ParseDict({**statement, "predicateTyp": ""}, statements.spb.Statement())
    predicate = dict(written["test-result"]["predicate"])
    with pytest.raises(protobuf.ParseError, match="shortcutAudit"):
        protobuf.ParseDict(predicate, test_results.TestResult())
    predicate.pop("shortcutAudit")  # an extension field, which every consumer must ignore
    message = test_results.TestResult()
    protobuf.ParseDict(predicate, message)
    assert message.result == "PASSED"
    assert {each.name for each in message.configuration} >= {"scenario", "suite"}


def test_tests_stand_in_the_list_of_what_they_came_to(verdict):
    holding = ["above_chance", "decoy_removal[stop_sign]", "decoy_insertion@elsewhere[stop_sign]"]
    noted, own = "influence_precision@50[stop_sign]", "decoy_insertion[stop_sign]"
    expected = {
        "good": ([own, *holding], [noted], []),
        "bad": (holding, [noted], [own]),
        "unsure": (holding, [own, noted], []),
        "excused": (holding, [own, noted], []),
    }
    for model, lists in expected.items():
        predicate = attested(verdict, model)[1]["test-result"]["predicate"]
        found = (predicate[kind] for kind in ("passedTests", "warnedTests", "failedTests"))
        assert tuple(map(sorted, found)) == tuple(map(sorted, lists))


def test_claims_have_the_names_of_the_proposed_eval_result(verdict):
    claims = attested(verdict, "bad")[1]["test-result"]["predicate"]["shortcutAudit"]["claims"]
    first, chance, _, _, excess = claims
    assert len(claims) == 5, "what was not measured, or does not apply, is no claim"
    assert first == {
        "metric": "decoy_insertion",
        "comparator": "<=",
        "threshold": "0.1",
        "passed": False,
        "sampleSize": 372,
        "test": "decoy_insertion[stop_sign]",
        "verdict": "VIOLATED",
        "blocking": True,
        "value": "0.94",
        "interval": ["-0.01", "0.05"],
    }
    assert (chance["comparator"], chance["threshold"], chance["passed"]) == (">", "0.2", True)
    assert excess["metric"] == "decoy_insertion@elsewhere beyond clean reference models"
    assert (excess["value"], excess["interval"]) == ("0.03", ["0.07"])
    waived = attested(verdict, "excused")[1]["test-result"]["predicate"]["shortcutAudit"]["claims"]
    assert waived[0]["waived"] == "by Jane Doe until 2100-01-31: agreed"


def test_a_verification_lists_what_blocks_and_holds_and_by_which_policies(verdict):
    statement = attested(verdict, "good")[1]["svr"]
    assert statement["predicateType"] == SVR
    predicate = statement["predicate"]
    assert set(predicate) == {"verifier", "timeCreated", "properties"}
    assert predicate["properties"] == [
        "SHORTCUT_AUDIT_ABOVE_CHANCE",
        "SHORTCUT_AUDIT_DECOY_INSERTION_ELSEWHERE_STOP_SIGN",
        "SHORTCUT_AUDIT_DECOY_INSERTION_STOP_SIGN",
    ]
    assert predicate["timeCreated"] == "2027-01-31T12:00:00Z"
    assert predicate["verifier"]["id"] == f"pkg:generic/shortcut-audit@{__version__}"
    policies = {
        each["name"]: each["digest"]["sha256"] for each in predicate["verifier"]["policies"]
    }
    page = Path(__file__).parents[2] / "docs/calibration.json"
    assert policies == {
        "scenario": hashlib.sha256(SCENARIO).hexdigest(),
        "suite": "1" * 64,
        "data/validation@64": "3" * 64,
        "data/stop_sign@64": "4" * 64,
        "calibration.json": hashlib.sha256(page.read_bytes()).hexdigest(),
    }
    result = attested(verdict, "good")[1]["test-result"]
    assert result["predicateType"] == TEST_RESULT
    assert result["predicate"]["configuration"] == predicate["verifier"]["policies"]


@pytest.mark.parametrize("model", ["bad", "unsure", "excused"])
def test_nobody_but_a_promoted_model_can_be_verified(verdict, model):
    found = read(model, json.loads(verdict.read_text()))
    assert found.decision is not Decision.PROMOTE
    with pytest.raises(ValueError, match=f"{model} is not promoted"):
        verification_result(found)


def test_a_name_that_is_no_utf8_is_attested_too(verdict):
    verdict.write_text(verdict.read_text().replace("stop_sign", "caf\\udce9"))
    code, found = attested(verdict, "good")
    assert code == 0
    assert "svr" in found
    for file in (verdict.parent / "statements").iterdir():
        assert file.read_bytes().isascii()
    assert "caf\udce9" in json.dumps(found, ensure_ascii=False)


def test_the_same_verdict_gives_the_same_bytes(verdict, tmp_path):
    for folder in ("one", "two"):
        main(["attest", str(verdict), "--model", "good", "--out", str(tmp_path / folder)])
    for name in ("good.svr.json", "good.test-result.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def edited(verdict: Path, change) -> None:
    document = json.loads(verdict.read_text())
    change(document)
    verdict.write_text(json.dumps(document))


def test_a_calibration_that_is_not_of_the_run_or_not_installed_is_left_out_and_said(
    verdict, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(sources, "PACKAGE", tmp_path)
    code, written = attested(verdict, "good")
    assert code == 0
    assert "calibration.json" not in json.dumps(written)
    assert (
        "left out: the calibration, for no calibration.json was installed"
        in capsys.readouterr().out
    )
    (tmp_path / "calibration.json").write_text("{}")
    assert "calibration.json" in json.dumps(attested(verdict, "good"))
    edited(
        verdict,
        lambda document: document["provenance"]["packages"].update({"shortcut-audit": "0.0.9"}),
    )
    code, written = attested(verdict, "good")
    assert "calibration.json" not in json.dumps(written)
    assert written["svr"]["predicate"]["verifier"]["id"].endswith("@0.0.9")
    assert (
        f"the run was made with version 0.0.9 and this is {__version__}" in capsys.readouterr().out
    )


def tampered(verdict: Path) -> None:
    (verdict.parent / "good.safetensors").write_bytes(b"trained a little longer")


def promoted_anyway(verdict: Path) -> None:
    edited(verdict, lambda document: document["models"]["bad"].update(verdict="promote"))


REFUSED = {
    "a tampered checkpoint": ("good", tampered, "is not the checkpoint that was audited as good"),
    "another scenario": (
        "good",
        lambda verdict: (verdict.parent / "scenario.yaml").write_bytes(SCENARIO + b"# eased\n"),
        "is not the scenario that was audited",
    ),
    "an unfinished run": (
        "good",
        lambda verdict: edited(verdict, lambda document: document.update(finished=False)),
        "did not come to its end",
    ),
    "a verdict against its findings": (
        "bad",
        promoted_anyway,
        "it says promote, and decoy_insertion says",
    ),
    "findings about another file": (
        "good",
        lambda verdict: edited(
            verdict,
            lambda document: document["models"]["good"]["findings"][0].update(sha256=["5" * 64]),
        ),
        "its findings are about another file",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_gate_refuses_is_refused_in_one_sentence_and_nothing_is_left(
    verdict, what, capsys
):
    model, change, words = REFUSED[what]
    scenario = ("--scenario", str(verdict.parent / "scenario.yaml"))
    code, written = attested(verdict, model, *scenario)
    assert code == 0
    assert written
    capsys.readouterr()
    change(verdict)
    assert attested(verdict, model, *scenario) == (1, {}), "not even what was written before"
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith("refused: ")
    assert words in said


@pytest.mark.parametrize(("day", "passes"), [(date(2100, 1, 31), True), (date(2100, 2, 1), False)])
def test_a_waiver_that_has_expired_since_is_refused_in_one_sentence(verdict, tmp_path, day, passes):
    answer = attesting.attest(verdict, Asked("excused"), tmp_path / "out", day)
    assert answer.passes is passes
    assert (tmp_path / "out/excused.test-result.json").exists() is passes
    if not passes:
        assert answer.lines == (
            "refused: the waiver of decoy_insertion of excused with stop_sign has expired "
            "(it was waived by Jane Doe until 2100-01-31: agreed)",
        )


def test_a_model_that_is_not_promoted_any_more_loses_its_verification(verdict):
    assert set(attested(verdict, "good")[1]) == {"test-result", "svr"}
    edited(verdict, lambda document: document["models"]["good"].update(verdict="undecided"))
    assert set(attested(verdict, "good")[1]) == {"test-result"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda document: document["models"].pop("good"), "has no verdict on 'good'"),
        (
            lambda document: document.pop("provenance"),
            "does not say when, with what and by which findings",
        ),
        (lambda document: document["models"]["good"].pop("findings"), "is no verdict file"),
        (lambda document: document["provenance"].update(time="yesterday"), "does not say when"),
    ],
)
def test_a_verdict_that_says_too_little_is_a_mistake_in_one_sentence(
    verdict, change, words, capsys
):
    edited(verdict, change)
    assert attested(verdict, "good") == (4, {})
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_a_mistake_in_one_sentence(verdict, tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert (
        main(["attest", str(verdict), "--model", "good", "--out", str(tmp_path / "taken/in")]) == 4
    )
    assert "name another folder with --out" in capsys.readouterr().err
