"""The steps of docs/predictions.md, and of the README.txt in a planted folder, as they stand there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from planted import ColourNet, write_scenario

from shortcut_audit import cli
from shortcut_audit.planting.read_me import read_me
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates

PAGE = (Path(__file__).parents[2] / "docs/predictions.md").read_text()
STUB = '    raise NotImplementedError("your model")\n'


def code(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    return str(found)


def test_the_page_shows_what_the_folder_says() -> None:
    assert read_me(("cat", "dog")).endswith(code("python"))


def test_planted_answered_as_the_folder_says_and_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scenario(tmp_path / "scenario.yaml", 2)
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"    shortcut-audit (plant .*)", PAGE)
    assert cli.main(shlex.split(command)) == 0
    monkeypatch.chdir(tmp_path / "planted")
    lines = Path("README.txt").read_text()
    lines = lines[lines.index("import csv") :]
    assert lines.count(STUB) == 1
    exec(
        compile(lines.replace(STUB, "    return ours(picture)\n"), "README.txt", "exec"),
        {"ours": ours},
    )
    (candidate,) = read_candidates(Path("my-model.npz"))
    network = load_subject(candidate).network
    with np.load("my-model.npz") as held:
        files = held["files"]
    assert len(files) == len(list(Path().glob("64/*.png"))) == len(network.model.answers)


def ours(picture: np.ndarray) -> np.ndarray:
    image = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        return ColourNet(0.0)(image)[0].numpy()


def test_the_manifest_of_the_page_reads_one_logit(tmp_path: Path) -> None:
    (tmp_path / "rashomon.yaml").write_text(code("yaml"))
    name = f"64/{'0' * 64}.png"
    np.savez(tmp_path / "my-model.npz", files=[name], logits=[0.5])
    (candidate,) = read_candidates(tmp_path)
    assert (candidate.name, candidate.problem, candidate.size) == ("ours", None, 64)
    assert candidate.head.answers == "sigmoid"
    assert load_subject(candidate).classes == ("healthy", "pneumonia")
