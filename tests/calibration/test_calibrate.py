"""A tiny population from end to end; stopped, gone on with, and judged again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shortcut_audit.calibration import run
from shortcut_audit.calibration.trials import TrialRunner
from shortcut_audit.cli import main
from shortcut_audit.errors import UsageError
from shortcut_audit.evidence import answers
from shortcut_audit.training import train

SUITE = Path(__file__).parents[2] / "audits"
POPULATION = """
dataset: {kind: demo, train: 24, validation: 12, background: 4}
decoys: {coloured_border: {target: house, width: 0.1}, blur: {target: cat}}
calibration: {references: 2, fresh: {seed: 1, validation: 16}, supporting: {decoy_removal: 1}}
training:
  {arch: "shortcut_audit:small_resnet", size: 32, epochs: 1, batch: 32, device: cpu,
   models: [{seeds: [0, 1, 2]}, {decoy: coloured_border, coverage: [0.5, 1.0]}]}
"""


@pytest.fixture
def asked(tmp_path):
    """calibrate(limit) on the tiny population."""

    def calibrate(more=""):
        (tmp_path / "tiny.yaml").write_text(POPULATION + more)
        return run.calibrate([tmp_path / "tiny.yaml"], tmp_path / "out", SUITE, progress=False)

    return calibrate


@pytest.fixture
def made(monkeypatch):
    """What was done anew: models trained, audits made, networks loaded."""
    done = {"trained": [], "audited": [], "loaded": []}
    fit, outcome, load = train.fit, TrialRunner.outcome, answers.load_subject

    def audited(runner, trial):
        found = outcome(runner, trial)
        done["audited"].append(trial.job.name)
        return found

    monkeypatch.setattr(
        train, "fit", lambda task, *rest: done["trained"].append(task.seed) or fit(task, *rest)
    )
    monkeypatch.setattr(
        answers, "load_subject", lambda *rest: done["loaded"].append(rest[0].name) or load(*rest)
    )
    monkeypatch.setattr(TrialRunner, "outcome", audited)
    return done


def told(tmp_path):
    return json.loads((tmp_path / "out/calibration.json").read_text())


def test_stopped_and_gone_on_with_nothing_is_done_twice(asked, made, tmp_path, monkeypatch):
    whole = TrialRunner.outcome

    def third_is_the_last(runner, trial):
        if len(made["audited"]) == 3:
            raise KeyboardInterrupt
        return whole(runner, trial)

    with monkeypatch.context() as patched:
        patched.setattr(TrialRunner, "outcome", third_is_the_last)
        with pytest.raises(KeyboardInterrupt):
            asked()
    assert (told(tmp_path)["finished"], told(tmp_path)["planned"]) == (3, 5)
    with (tmp_path / "out/tiny/outcomes.jsonl").open("a") as file:
        file.write('\n{"key": "cut o')  # as a crash leaves it
    asked()
    assert len(made["trained"]) == 5
    assert made["audited"] == ["F0-s0", "F0-s1", "F0-s2", "F50-s0", "F100-s0"]
    assert told(tmp_path)["finished"] == 5
    assert told(tmp_path)["clean"] == 3

    made["audited"].clear(), made["loaded"].clear()
    before = told(tmp_path)
    asked()
    assert not made["audited"]
    assert told(tmp_path) == before
    asked("limits: {insertion: 0.2}\n")
    assert len(made["audited"]) == 5, "another limit is another judgement"
    assert not made["loaded"], "and needs no new evidence"
    assert len(made["trained"]) == 5


def test_other_pictures_in_the_same_folders_are_other_outcomes(asked, made, tmp_path, monkeypatch):
    asked()
    made["audited"].clear()
    monkeypatch.setattr(
        TrialRunner, "_pictures", ["somebody changed a file", "and left the scenario as it was"]
    )
    asked()
    assert len(made["audited"]) == 5


def test_two_populations_share_no_folder(tmp_path):
    with pytest.raises(UsageError, match=r"^two populations have one name"):
        run.calibrate([tmp_path / "a/tiny.yaml", tmp_path / "b/tiny.yaml"], tmp_path / "out", SUITE)


def test_an_audit_that_is_not_there_is_refused_before_anything_is_trained(asked, made):
    with pytest.raises(
        UsageError, match="no audit 'decoy_insertoin'; did you mean 'decoy_insertion'"
    ):
        asked("blocking: [decoy_insertoin]\n")
    assert not made["trained"]


def test_the_command_wants_a_population(capsys, tmp_path):
    demo = Path(__file__).parents[2] / "fixtures/demo.yaml"
    assert main(["calibrate", str(demo), "--out", str(tmp_path)]) == 4
    assert (
        "no part 'calibration': add one, as in fixtures/calibration.yaml" in capsys.readouterr().err
    )
