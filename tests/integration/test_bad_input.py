"""Bad input gets one clear sentence, is charged to that model alone, and never becomes a pass."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from planted import ColourNet
from safetensors.torch import save_file

CLEAN = tuple(f"F0-s{seed}" for seed in range(4))  # what a repository has of honest models


def everybody(verdict, models=CLEAN, **others):
    """What the verdict file must say: each of these models is in it, and no other one."""
    return {**dict.fromkeys(models, verdict), **others}


def add(made, name, line=None):
    """Names one more model in the manifest."""
    manifest = made.path / "models/rashomon.yaml"
    manifest.write_text(
        f"{manifest.read_text()}\n  {line or f'{name.partition(chr(46))[0]}: {{file: {name}}}'}\n"
    )
    return made.path / "models" / name


def assert_charged_to(made, name, result, *words, decision="reject"):
    """This model alone is not promoted, in one sentence with these words and no traceback; the
    others are audited.
    """
    verdict = made.verdict()
    assert result.ret == verdict["exit_code"] == 1
    assert made.verdicts() == everybody("promote", **{name: decision})
    sentence = verdict["models"][name]["sentence"]
    for word in words:
        assert word in sentence, sentence
    assert "\n" not in sentence
    assert "Traceback" not in result.stdout.str()
    assert sentence in result.stdout.str()


class Evil:
    def __reduce__(self):
        return open, ("executed", "w")


def test_a_pickle_with_code_in_it(repository):
    made = repository(planted=0)
    add(made, "evil.pt").write_bytes(pickle.dumps({"conv.weight": Evil()}))
    result = made.audit()
    assert_charged_to(made, "evil", result, "open")
    assert not (made.path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"no checkpoint", "is not a whole safetensors file"),
        (b"\xff" * 64, "is not a whole safetensors file"),
    ],
    ids=["empty", "text", "huge header"],
)
def test_a_corrupt_file(repository, content, words):
    made = repository(planted=0)
    add(made, "damaged.safetensors").write_bytes(content)
    assert_charged_to(made, "damaged", made.audit(), words)


def test_a_missing_file(repository):
    made = repository(planted=0)
    add(made, "gone.safetensors")
    # the manifest's fault
    assert_charged_to(made, "gone", made.audit(), "gone.safetensors", decision="undecided")


def test_a_wrong_class_count(repository):
    made = repository(planted=0)
    save_file(ColourNet(0.0, 7).state_dict(), add(made, "seven.safetensors"))
    assert_charged_to(made, "seven", made.audit(), "7", "3", decision="undecided")


def test_weights_that_are_not_finite(repository):
    made = repository(planted=0)
    broken = ColourNet(0.0)
    broken.fc.bias.data[0] = float("nan")
    save_file(broken.state_dict(), add(made, "nan.safetensors"))
    assert_charged_to(made, "nan", made.audit(), "finite")


def test_logits_that_overflow_on_some_images_only(repository):
    made = repository(planted=0)
    model = ColourNet(0.0)
    with torch.no_grad():
        model.fc.weight[0, 3] = 3e38
        model.fc.weight[1, 3] = 3e38
        model.conv.weight[3] *= 1e4
    save_file(model.state_dict(), add(made, "overflow.safetensors"))
    assert_charged_to(made, "overflow", made.audit(), "logits that are not finite")


@pytest.mark.parametrize(("models", "words"), [("empty", "empty"), ("modles", "modles")])
def test_no_models_is_a_usage_error(repository, models, words):
    made = repository()
    (made.path / "empty").mkdir()
    result = made.audit(models=models)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()
    assert "Traceback" not in result.stderr.str()


def test_audits_without_models_are_a_usage_error(repository):
    result = repository().pytester.runpytest("audits")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*audits need models*--models*"])


def test_models_without_audits_are_a_usage_error(repository):
    made = repository()
    made.path.joinpath("test_other.py").write_text("def test_other(): pass\n")
    result = made.pytester.runpytest("test_other.py", "--models=models", "--audit-trust-code")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no audit was collected*"])


def test_a_typo_in_the_scenario(repository):
    result = repository(more="limts: {insertion: 0.1}").audit()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown key 'limts'; did you mean 'limits'?*"])


@pytest.mark.parametrize("body", ["pytest.skip('later')", "pytest.xfail('known')"])
def test_a_skip_is_no_pass(repository, body):
    made = repository(planted=0)
    text = f"import pytest\ndef test_decoy_insertion(predictions, audit):\n    {body}\n"
    (made.path / "audits/test_decoy_insertion.py").write_text(text)
    result = made.audit()
    assert result.ret == 1
    assert made.verdicts() == everybody("undecided")
    assert "waive it in the scenario" in made.verdict()["models"]["F0-s0"]["sentence"]


def test_an_audit_that_checks_nothing_is_no_pass(repository):
    made = repository(planted=0)
    (made.path / "audits/test_decoy_insertion.py").write_text(
        "def test_decoy_insertion(predictions, audit):\n    pass\n"
    )
    assert made.audit().ret == 1
    assert made.verdicts() == everybody("undecided")
    assert "decoy_insertion checked nothing" in made.verdict()["models"]["F0-s0"]["sentence"]


def test_an_audit_that_breaks_is_shown_with_its_traceback(repository):
    made = repository(planted=0)
    (made.path / "audits/test_decoy_insertion.py").write_text(
        "def test_decoy_insertion(predictions, audit):\n    1 / 0\n"
    )
    result = made.audit()
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*ZeroDivisionError*"])
    assert made.verdicts() == everybody("undecided")


def test_a_deleted_audit_promotes_nobody(repository):
    made = repository(planted=0)
    (made.path / "audits/test_decoy_insertion.py").unlink()
    assert made.audit().ret == 1
    assert made.verdicts() == everybody("undecided")
    assert "was not audited by decoy_insertion" in made.verdict()["models"]["F0-s0"]["sentence"]


@pytest.mark.slow
def test_a_killed_worker_leaves_its_model_undecided_and_the_record_whole(repository):
    made = repository(planted=0)
    crash = (
        "import os\nfrom shortcut_audit import at_most\n"
        "def test_crash(subject, audit):\n    if subject.name == 'F0-s1':\n        os._exit(9)\n"
        "    audit.check([0] * 99, [0] * 99, at_most(0.1), references=False)\n"
    )
    (made.path / "audits/test_crash.py").write_text(crash)
    more = (
        made.path / "scenario.yaml"
    ).read_text() + "blocking: [crash, decoy_insertion, rashomon_membership]\n"
    (made.path / "scenario.yaml").write_text(more)
    result = made.audit("-n", "2")
    assert result.ret == made.verdict()["exit_code"] == 1
    assert made.verdicts() == everybody("promote", **{"F0-s1": "undecided"})
    assert made.verdict()["models"]["F0-s1"]["sentence"].startswith(
        "F0-s1: the process that ran crash was killed, for want of memory or by a crash: run it again"
    )
    lines = (made.path / "reports/record.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if "run" not in row]
    asked = {(row["audit"], *row["subjects"]) for row in rows}
    audits = ("crash", "decoy_insertion", "rashomon_membership")
    assert {each for each in asked if each[0] in audits} == {
        (audit, model) for audit in audits for model in CLEAN
    }


def test_a_folder_that_cannot_be_written_is_a_usage_error(repository):
    made = repository()
    (made.path / "reports").write_text("a file is in the way")
    result = made.audit()
    assert result.ret != 0
    assert "cannot write to 'reports'" in result.stderr.str() + result.stdout.str()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("blocking: []", "bad value at 'blocking'"),
        ("device: cuda", "unknown key 'device'"),
    ],
)
def test_a_scenario_that_nothing_could_fail_is_refused(repository, more, words):
    result = repository(clean=1, more=more).audit()
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"*{words}*"])


def test_a_typo_in_what_blocks_is_named(repository):
    made = repository(clean=3, planted=0, more="blocking: [decoy_insertoin]")
    assert made.audit().ret == 1
    assert made.verdicts() == everybody("undecided", CLEAN[:3])
    assert all(
        "did you mean 'decoy_insertion'?" in model["sentence"]
        for model in made.verdict()["models"].values()
    )


def test_a_device_that_is_not_there_is_one_sentence(repository):
    result = repository(clean=1).audit("--audit-device=gpu9")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*the device 'gpu9' cannot be used here: *; take 'auto'"])


def test_a_decoy_that_cannot_be_pasted_is_found_before_the_audit(repository):
    made = repository(clean=1)
    scenario = made.path / "scenario.yaml"
    scenario.write_text(
        scenario.read_text().replace("kind: stop_sign,", "kind: overlay, image: logoo.png,")
    )
    result = made.audit()
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*logoo.png' does not exist*"])
