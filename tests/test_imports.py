"""What is imported when: nothing heavy before it is needed, and what the study uses by it alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from shortcut_audit.subjects.loading.small_resnet import SmallResnet

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("pycocotools", "matplotlib", "jinja2", "sklearn", "captum")
SCENARIO = """
dataset: {kind: image_folder, train: train, validation: val}
decoys: {stop_sign: {kind: stop_sign, target: cat, size: 0.3}}
masks: {images: 2}
influence: {queries: 2}
"""
CONFTEST = """
import sys
def pytest_unconfigure(config):
    with open("imported.txt", "w") as file:
        file.write("\\n".join(sys.modules))
"""


def loaded(arguments: list[str]) -> set[str]:
    """The top-level modules that python imports on the way, by its own account."""
    command = [sys.executable, "-X", "importtime", *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    lines = [line for line in found.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}


@pytest.mark.parametrize(
    "arguments",
    [["-c", "import shortcut_audit"], ["-m", "pytest", "--help"]],
    ids=["import", "help"],
)
def test_neither_the_package_nor_pytests_help_imports_anything_heavy(arguments: list[str]) -> None:
    assert not loaded(arguments) & {"torch", "scipy", "torchvision", *ELSEWHERE}


def test_an_audit_of_an_image_folder_imports_none_of_what_others_need(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 6)):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / split / name / f"{i}.png")
    (tmp_path / "models").mkdir()
    for seed in range(2):
        torch.manual_seed(seed)
        save_file(SmallResnet(2).state_dict(), tmp_path / f"models/m{seed}.safetensors")
    (tmp_path / "models/rashomon.yaml").write_text(
        "arch: shortcut_audit:small_resnet\nclasses: [cat, dog]\ninput: {size: 32}\n"
        "models: {m0: {file: m0.safetensors}, m1: {file: m1.safetensors}}\n"
    )
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    command = [sys.executable, "-m", "pytest", str(ROOT / "audits"), "--models=models"]
    options = ["--scenario=scenario.yaml", "-c", "none.ini", "--rootdir=.", "-q", "-p", "conftest"]
    (tmp_path / "none.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (tmp_path / "reports/verdict.json").is_file(), done.stdout + done.stderr
    imported = {
        line.partition(".")[0] for line in (tmp_path / "imported.txt").read_text().splitlines()
    }
    assert "torch" in imported
    # at the end of every run report.html is written, and jinja2 fills in its template
    assert not imported & {*ELSEWHERE} - {"jinja2"}
