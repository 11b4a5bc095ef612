"""`--audit-shard i/n`, and `shortcut-audit merge`: a run on several machines decides as one does."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import jsonschema
import planted
import pytest
import torch
from safetensors.torch import save_file

from shortcut_audit.cli import main
from shortcut_audit.harness.course.part import read_part, write_part
from shortcut_audit.harness.course.shards import Shard
from shortcut_audit.reporting import record

SCHEMA = json.loads((Path(record.__file__).parent / "verdict.schema.json").read_text())
OF = 3  # shards of the run that is kept
# a pair's audit that costs nothing, and a test that is no audit
MORE = """
from shortcut_audit import at_most

def test_same_answers(pair, predictions, audit):
    first, second = predictions
    same = first.decoyed.argmax(1) != second.decoyed.argmax(1)
    audit.check(same, first.control.argmax(1) != second.control.argmax(1), at_most(0.1))

def test_of_the_teams_own():
    pass
"""


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the first test's runs are kept for the others."""
    return tmp_path_factory.mktemp("kept") / "reports"


def merge(reports="reports"):
    """The exit code of `shortcut-audit merge`."""
    return main(["merge", str(reports)])


def shards(made, of, *arguments, models="models"):
    """The exit codes of all shards of a run; none leaves anything like a verdict."""
    codes = []
    for number in range(1, of + 1):
        codes.append(made.audit(f"--audit-shard={number}/{of}", *arguments, models=models).ret)
        assert gates(made.path / "reports") == []
    return codes


def gates(reports):
    """The files of this folder, its shards' as well, by which a pipeline could decide."""
    names = {"verdict.json", "junit.xml", "junit-per-model.xml", "mlflow_tags.json"}
    return [file for name in sorted(names) for file in sorted(reports.glob(name))]


def decided(document):
    """What a verdict says, without what a clock says."""
    for model in document["models"].values():
        for row in model["findings"]:
            del row["seconds"]
    for row in document["pairs"]:
        del row["seconds"]
    for name in ("time", "command", "shards"):
        document["provenance"].pop(name, None)
    return document


def cases(path):
    """classname and name of each of JUnit's cases -> what it says where it is no pass."""
    found = {}
    for case in ET.parse(path).getroot().iter("testcase"):
        said = [(each.tag, each.get("message")) for each in case if each.tag != "properties"]
        said = [each for each in said if each[0] in ("failure", "error", "skipped")]
        found[case.get("classname"), case.get("name")] = said
    return found


def folder(repository):
    """Clean references, a planted model, one that is too close to tell, one that cannot be read."""
    made = repository(clean=3, more="rashomon: {undecided: blocks}\n")
    (made.path / "audits/test_more.py").write_text(MORE)
    torn = made.path / "models/torn.safetensors"
    torn.write_bytes((made.path / "models/F0-s0.safetensors").read_bytes()[:200])
    close = planted.ColourNet(0.0)
    with torch.no_grad():
        close.fc.bias[0] += 1.3  # wrong on 6 of 180: three points of accuracy are allowed
    save_file(close.state_dict(), made.path / "models/close.safetensors")
    with (made.path / "models/rashomon.yaml").open("a") as manifest:
        manifest.write("\n  torn: {file: torn.safetensors}\n  close: {file: close.safetensors}\n")
    return made


def test_the_merged_verdict_is_that_of_one_run(repository, kept, capsys):
    made = folder(repository)
    code = made.audit().ret
    words = set(made.verdicts().values())
    assert words == {"promote", "reject", "undecided"}
    reports, whole = made.path / "reports", decided(made.verdict())
    said, junit = reasons(capsys.readouterr().out), cases(reports / "junit.xml")
    codes = shards(made, OF)
    assert set(codes) == {0, 1}
    shutil.copytree(made.path, kept.parent / "repository")
    assert merge() == code == 1
    jsonschema.validate(made.verdict(), SCHEMA)
    assert decided(made.verdict()) == whole
    assert reasons(capsys.readouterr().out.rpartition("=\n")[2]) == said
    merged = cases(reports / "junit.xml")
    assert merged == junit
    assert ("audits.test_more", "test_of_the_teams_own") in merged
    assert made.verdict()["provenance"]["shards"] == OF


def reasons(text):
    """Which models a terminal says are not promoted, and why."""
    words = ("reject: ", "undecided: ")
    return [line for line in text.splitlines() if line.startswith(words)]


# ---- what is not put together ----


@pytest.fixture
def sharded(kept, tmp_path, monkeypatch):
    """A copy of the repository whose shards the first test made, and an older verdict in it."""
    monkeypatch.chdir(shutil.copytree(kept.parent / "repository", tmp_path / "copy"))
    reports = Path("reports")
    for name in ("verdict.json", "junit.xml", "junit-per-model.xml"):
        (reports / name).write_text("promote everybody")
    return reports


def refused(capsys, said, reports="reports"):
    """Merging is refused with this sentence, and leaves nothing to promote by."""
    capsys.readouterr()
    assert merge(reports) == 4
    found = capsys.readouterr().err
    assert "Traceback" not in found
    assert len(found.splitlines()) == 1
    assert said in found
    assert gates(Path(reports)) == []


def place(reports, number, of=OF):
    return reports / f"shards/{number}-of-{of}/shard.json"


def change(reports, number, **changes):
    path = place(reports, number)
    write_part(path, replace(read_part(path), **changes))


def test_missing_shards_are_named(sharded, capsys):
    shutil.rmtree(place(sharded, 2).parent)
    refused(capsys, "lacks the shards 2/3: run each with --audit-shard, then merge again")
    place(sharded, 3).unlink()
    refused(capsys, "lacks the shards 2/3 and 3/3: run each with --audit-shard")


def test_of_very_many_missing_shards_the_first_are_named(sharded, capsys):
    shutil.rmtree(place(sharded, 2).parent)
    shutil.rmtree(place(sharded, 3).parent)
    change(sharded, 1, shard=Shard(1, 5000))
    refused(capsys, "lacks the shards 2/5000, 3/5000, 4/5000,")
    refused(capsys, "11/5000 and 4989 more: run each")


def test_shards_of_two_runs_are_not_mixed(sharded, capsys):
    change(sharded, 2, shard=Shard(2, 4))
    refused(
        capsys, "holds shards of 3 and 4, which are parts of different runs: remove the folders"
    )


def test_a_shards_file_is_nothing_that_a_gate_takes(sharded, capsys):
    assert main(["gate", str(place(sharded, 1)), "--model", "F0-s0"]) == 4
    assert "shard.json' is no verdict file" in capsys.readouterr().err


def test_two_files_of_one_shard_are_refused(sharded, capsys):
    shutil.copytree(place(sharded, 2).parent, sharded / "shards/copy of 2")
    refused(capsys, "shard 2/3 is there twice, in 'reports/shards/2-of-3/shard.json' and ")
    refused(capsys, "copy of 2/shard.json': remove the one not meant")


def test_a_shard_that_did_not_come_to_its_end_is_refused(sharded, capsys):
    change(sharded, 1, unfinished="it was killed, or is still at work")
    said = "shard 1/3 did not come to its end (it was killed, or is still at work): "
    refused(capsys, f"{said}run it again with --audit-shard 1/3 (what was computed is kept)")


def test_a_shard_that_cannot_be_read_is_refused(sharded, capsys):
    text = place(sharded, 3).read_text()
    place(sharded, 3).write_text(text.replace('"blocking": true', '"blocking": false'))
    refused(capsys, "3-of-3/shard.json' cannot be read (it is not what a shard wrote): run that")


OTHERS = {
    "scenario": "the scenario changed since",
    "version of shortcut-audit": "the version of shortcut-audit changed since",
    "version of torch": "the version of torch changed since",
    "model F0-s1": "the model F0-s1 changed since",
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_shard_that_read_something_else_is_foreign(sharded, capsys, name):
    inputs = read_part(place(sharded, 2)).inputs
    change(sharded, 2, inputs=replace(inputs, read=inputs.read | {name: "another"}))
    refused(capsys, f"shard 2/3 is of another run: {OTHERS[name]}, or came or went")


def test_a_shard_of_other_models_is_foreign(sharded, capsys):
    inputs = read_part(place(sharded, 3)).inputs
    change(sharded, 3, inputs=replace(inputs, read=inputs.read | {"model F9": "new"}))
    refused(capsys, "shard 3/3 is of another run: the model F9 changed since, or came or went")


def test_a_shard_of_another_suite_is_foreign(sharded, capsys):
    observed = read_part(place(sharded, 2)).observed
    files = dict.fromkeys(observed["suite"]["files"], "another")
    change(sharded, 2, observed=observed | {"suite": observed["suite"] | {"files": files}})
    refused(capsys, "shard 2/3 ran another suite: the audits' files differ from those of shard 1/3")


def test_a_shard_of_another_selection_is_foreign(sharded, capsys):
    chosen = read_part(place(sharded, 3)).chosen
    change(sharded, 3, chosen=replace(chosen, digest="another"))
    refused(
        capsys, "shard 3/3 is a part of other tests: its -k, -m, folders or plugins differ from"
    )


def test_one_models_tests_in_two_shards_overlap(sharded, capsys):
    one, two = read_part(place(sharded, 1)), read_part(place(sharded, 2))
    chosen = replace(two.chosen, own=two.chosen.own | one.chosen.own)
    change(sharded, 2, chosen=chosen, ended=two.ended | one.ended)
    refused(
        capsys, "is in shard 1/3 and in shard 2/3, and a model's tests are all in one: run all 3"
    )


def test_a_test_in_no_shard_is_missed(sharded, capsys):
    chosen = read_part(place(sharded, 1)).chosen
    change(sharded, 1, chosen=replace(chosen, own=dict(list(chosen.own.items())[1:])))
    refused(capsys, "the shards hold 21 tests of the run's 22: run all 3 shards again")


def test_a_checkpoint_that_was_exchanged_since_is_not_promoted(sharded, capsys):
    # one that answers alike, and is another file
    path = Path("models/F0-s1.safetensors")
    save_file(planted.ColourNet(0.0).state_dict(), path)
    refused(capsys, "is of another run: the model F0-s1 changed since, or came or went; if what is")


def test_a_scenario_that_was_changed_since_is_not_decided_by(sharded, capsys):
    with Path("scenario.yaml").open("a") as scenario:
        scenario.write("blocking: [decoy_insertion]\n")
    refused(capsys, "shard 1/3 is of another run: the scenario changed since")


def test_a_run_whose_reporter_is_not_known_here_is_not_reported_without_it(sharded, capsys):
    inputs = read_part(place(sharded, 1)).inputs
    call = replace(inputs.call, reporters=(*inputs.call.reporters, "one_line"))
    change(sharded, 1, inputs=replace(inputs, call=call))
    refused(
        capsys, "the run has a reporter of your own (one_line), which this command does not know"
    )


@pytest.mark.parametrize("doubt", ["doubts", "pictures"])
def test_what_was_in_doubt_in_a_shard_is_in_doubt_in_all(sharded, doubt):
    part = read_part(place(sharded, 2))
    if doubt == "doubts":
        change(sharded, 2, doubts=("a file changed while the audits ran",))
    else:
        data = dict.fromkeys(part.observed["data"], "others")
        change(sharded, 2, observed=part.observed | {"data": data})
    assert merge() == 1
    document = json.loads((sharded / "verdict.json").read_text())
    assert {model["verdict"] for model in document["models"].values()} == {"undecided"}
    assert "changed while the audits ran" in document["models"]["F0-s0"]["sentence"]


def test_a_report_that_cannot_be_written_leaves_no_verdict(sharded, capsys, monkeypatch):
    monkeypatch.setattr("shortcut_audit.harness.course.merging.write_junit", full)
    assert merge() == 3
    assert gates(sharded) == []
    assert "no verdict: cannot write 'reports/junit.xml'" in capsys.readouterr().out


def full(*_arguments):
    raise OSError(28, "No space left on device")


def test_a_folder_without_shards_is_left_as_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("reports").mkdir()
    Path("reports/verdict.json").write_text("of another run")
    assert merge() == 4
    assert "'reports/shards' holds no shard: run `pytest audits/" in capsys.readouterr().err
    assert Path("reports/verdict.json").is_file()


# ---- shards of every kind ----


def test_honest_models_are_promoted_and_an_empty_shard_is_a_part_as_any_other(repository, capsys):
    made = repository(clean=2, planted=0)
    assert shards(made, 3) == [0, 0, 0]
    said = capsys.readouterr().out
    assert (
        "shard 3/3: nobody is promoted before `shortcut-audit merge reports` has put all 3" in said
    )
    assert "promote:" not in said
    assert " may be promoted" not in said
    assert merge() == 0
    assert set(made.verdicts().values()) == {"promote"}
    gate = ["gate", "reports/verdict.json", "--model", "F0-s1"]
    assert main(gate) == 0
    save_file(planted.ColourNet(0.0).state_dict(), made.path / "models/F0-s1.safetensors")
    assert main(gate) == 1


@pytest.mark.slow
def test_a_part_of_the_tests_is_not_taken_for_all_of_them(repository, capsys):
    made = repository(clean=2, planted=0)
    shards(made, 2, "-k", "insertion")
    assert merge() == 1
    assert set(made.verdicts().values()) == {"undecided"}
    assert "was not audited by rashomon_membership" in capsys.readouterr().out
    assert made.audit("--audit-shard=2/2").ret == 0
    refused(capsys, "shard 2/2 is a part of other tests: its -k, -m, folders or plugins differ")
    assert made.audit("--audit-shard=1/2", "-k", "nothing").ret != 0


def test_a_shard_that_is_stopped_early_is_not_finished(repository, capsys):
    made = repository(clean=1, planted=1)
    assert made.audit("--audit-shard=1/1", "-x", "-k", "F100").ret != 0
    assert (
        "shard 1/1 did not come to its end (1 of its tests did not run" in capsys.readouterr().out
    )
    refused(
        capsys, "shard 1/1 did not come to its end (1 of its tests did not run to their end, such"
    )


def test_an_interrupted_shard_is_not_finished_and_an_old_verdict_is_away(repository, capsys):
    made = repository(clean=1, planted=0)
    made.audit()
    (made.path / "audits/test_last.py").write_text("def test_it(): raise KeyboardInterrupt\n")
    asked = ("audits", "--models=models", "--audit-trust-code", "--audit-shard=1/1")
    made.pytester.runpytest_inprocess(*asked, no_reraise_ctrlc=True)
    assert gates(made.path / "reports") == []
    assert "shard 1/1 did not come to its end (" in capsys.readouterr().out
    refused(capsys, "shard 1/1 did not come to its end (1 of its tests did not run to their end")


@pytest.mark.parametrize("text", ["3/2", "two", "slurm"])
def test_a_mistake_takes_the_old_verdict_away_as_well(repository, monkeypatch, text):
    for name in ("SLURM_ARRAY_TASK_ID", "SLURM_PROCID", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)
    made = repository(clean=1, planted=0)
    (made.path / "reports").mkdir()
    (made.path / "reports/verdict.json").write_text("{}")
    result = made.audit(f"--audit-shard={text}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --audit-shard *"])
    assert gates(made.path / "reports") == []


@pytest.mark.slow
def test_a_test_that_fails_fails_the_whole_run(repository):
    made = repository(clean=2, planted=0)
    (made.path / "audits/test_own.py").write_text("def test_it(): assert 0, 'broken'\n")
    assert sorted(shards(made, 2)) == [0, 1]
    assert merge() == 1
    assert set(made.verdicts().values()) == {"promote"}  # as without shards
    (said,) = cases(made.path / "reports/junit.xml")["audits.test_own", "test_it"]
    assert said[0] == "failure"
    assert "broken" in ET.tostring(ET.parse(made.path / "reports/junit.xml").getroot()).decode()


def test_what_failed_and_is_no_test_fails_the_whole_run(repository):
    made = repository(clean=1, planted=0)
    (made.path / "audits/test_broken.py").write_text("import not_there_at_all\n")
    asked = ("--continue-on-collection-errors", "-k", "membership")
    assert made.audit("--audit-shard=1/1", *asked).ret == 1
    part = read_part(made.path / "reports/shards/1-of-1/shard.json")
    assert part.failed
    assert {each.outcome for each in part.ended.values()} == {"passed"}
    assert merge() == 1
    assert made.verdict()["exit_code"] == 1


@pytest.mark.slow
def test_one_model_alone_of_slurms_task(repository, monkeypatch):
    made = repository(clean=1, planted=0)
    monkeypatch.setenv("SLURM_ARRAY_TASK_MIN", "0")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "2")
    for task in "01":
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        made.audit("--audit-shard", "slurm", models="models/F0-s0.safetensors")
    assert {each.name for each in (made.path / "reports/shards").iterdir()} == {"1-of-2", "2-of-2"}
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert made.audit("--audit-shard=slurm").ret == pytest.ExitCode.USAGE_ERROR
    codes = merge(), made.audit(models="models/F0-s0.safetensors").ret
    assert codes[0] == codes[1]


@pytest.mark.parametrize("by", ["command line", "ini"])
def test_models_of_the_ini_file_and_the_junit_file_of_a_shard(repository, by):
    made = repository(clean=2, planted=0)
    lines = ["scenario = scenario.yaml", "models = models", "audit_trust_code = true"]
    shard = ["--audit-shard=3/3"] if by == "command line" else []
    more = [] if shard else ["audit_shard = 3/3"]
    made.pytester.makeini("\n".join(["[pytest]", *lines, *more]))
    run = made.pytester.runpytest("audits", "--junitxml=reports/junit.xml", *shard)
    assert run.ret == 0
    assert gates(made.path / "reports") == []
    assert (made.path / "reports/shards/3-of-3/junit.xml").is_file()
    assert not read_part(made.path / "reports/shards/3-of-3/shard.json").unfinished
    (made.path / "tests").mkdir()
    (made.path / "tests/test_units.py").write_text("def test_a(): pass\ndef test_b(): pass\n")
    if by == "ini":  # no run of ours: nothing of it is left out
        made.pytester.runpytest("tests").assert_outcomes(passed=2)


@pytest.mark.slow
def test_workers_of_xdist_run_one_shard(repository):
    made = repository(clean=2)
    one = made.audit().ret
    whole = decided(made.verdict())
    workers = {1: ["-n0"], 2: [], 3: ["-n2"], 4: ["-n2"]}  # the last shard has no test
    for number, more in workers.items():
        code = made.audit(f"--audit-shard={number}/4", *more).ret
        assert code == (1 if number == 3 else 0)
    assert merge() == one
    merged = decided(made.verdict())
    assert merged == whole


@pytest.mark.slow
def test_a_shard_without_a_test_that_the_ini_file_asks_for_with_workers(repository):
    made = repository(clean=1, planted=0)
    lines = ["scenario = scenario.yaml", "models = models", "audit_trust_code = true"]
    made.pytester.makeini("\n".join(["[pytest]", *lines, "audit_shard = 2/2"]))
    assert made.pytester.runpytest("audits", "-n1").ret == 0
    assert not read_part(place(made.path / "reports", 2, 2)).unfinished


@pytest.mark.slow
def test_a_killed_shard_is_not_finished(repository, capsys):
    made = repository(clean=2, planted=0)
    (made.path / "audits/test_last.py").write_text(
        "import os, signal\ndef test_it(): os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    made.pytester.run(
        *("python", "-m", "pytest", "audits", "--models=models", "--audit-trust-code"),
        *("--audit-shard=1/1",),
    )
    refused(capsys, "shard 1/1 did not come to its end (it was killed, or is still at work)")
