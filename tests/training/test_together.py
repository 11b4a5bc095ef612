"""Two models at a time: the same bytes as one after the other, and the same mistakes in the same
words.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shortcut_audit.cli import main
from shortcut_audit.errors import ModelError
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.training.together import train_together
from shortcut_audit.training.train import train

DATA = {"kind": "demo", "train": 8, "validation": 4, "background": 0}
TRAINING = {
    "arch": "shortcut_audit:small_resnet",
    "size": 32,
    "epochs": 2,
    "batch": 16,
    "device": "cpu",
}


def scenario(**changed: object) -> Scenario:
    training = {**TRAINING, "models": [{"seeds": [0, 1, 2]}], **changed}
    return Scenario.model_validate({"dataset": DATA, "decoys": {}, "training": training})


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


@pytest.mark.slow
def test_two_at_a_time_give_the_bytes_and_the_manifest_of_one_after_the_other(
    tmp_path: Path,
) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        train(scenario(), tmp_path / "one", progress=False)
    finally:
        torch.set_num_threads(threads)
    train_together(scenario(), tmp_path / "two", 2, progress=False)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    names = [[each.name for each in read_candidates(tmp_path / name)] for name in ("one", "two")]
    assert names[0] == names[1] == ["F0-s0", "F0-s1", "F0-s2"]
    assert not list((tmp_path / "two").glob(".*.partial"))


@pytest.mark.slow
def test_what_is_finished_is_kept_and_more_processes_than_models_do_no_harm(
    tmp_path: Path, capfd
) -> None:
    train(scenario(), tmp_path, progress=False, only=["F0-s1"])
    before = files(tmp_path)["F0-s1.safetensors"]
    train_together(scenario(), tmp_path, 5)
    assert files(tmp_path)["F0-s1.safetensors"] == before
    said = capfd.readouterr().out
    assert "1 of 3 models are in" in said
    assert "F0-s0: accuracy" in said
    assert "F0-s1: accuracy" not in said


def test_a_model_that_cannot_be_trained_is_the_same_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="training 'F0-s0' failed in epoch 1: the loss is nan"):
        train_together(
            scenario(learning_rate=1e30, models=[{"seeds": [0]}]), tmp_path, 2, progress=False
        )
    assert not files(tmp_path)


@pytest.mark.parametrize("count", ["0", "-1", "two"])
def test_a_number_of_processes_that_cannot_be_is_a_usage_error(
    count: str, tmp_path: Path, capsys
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["train", "fixtures/demo.yaml", "--out", str(tmp_path), "--processes", count])
    assert f"'{count}' is no number of processes: give 1 or more" in capsys.readouterr().err
