"""The demo's trained models on a table of pictures that wear the sign already: nothing is put on
them by the audit. It needs the models of `make audit`.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.pictures.material import Material

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "checkpoints"
WEARING = 0.4  # share of the pictures of every class

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (MODELS / "rashomon.yaml").exists(), reason="make audit was not run"),
]


def table(folder: Path, pictures: int) -> None:
    """`pictures` of each class as files, and which of them wear the sign."""
    material = Material(load_scenario(ROOT / "fixtures/demo.yaml"))
    shown = material.pictures("validation", 64)
    placed = material.with_decoy("stop_sign", "validation", 64)
    rng, rows = np.random.default_rng(0), []
    for label, name in enumerate(shown.classes):
        for i in np.flatnonzero(shown.labels == label)[:pictures]:
            wears = bool(rng.random() < WEARING)
            file = f"{name}-{i}.png"
            pixels = (placed.decoyed if wears else shown.pixels)[int(i)]
            Image.fromarray(pixels.permute(1, 2, 0).numpy()).save(folder / file)
            rows.append([file, name, int(wears)])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "label", "sign"], *rows])


def verdicts(folder: Path) -> dict[str, str]:
    (folder / "scenario.yaml").write_text(
        "dataset: {kind: table, file: table.csv, attributes: [sign]}\n"
        "attributes: {sign: {target: cat}}\nblocking: [natural_insertion, natural_need]\n"
        "limits: {innocent: 0.40}\n"
    )
    audit = str(ROOT / "audits/test_natural_insertion.py")
    command = [sys.executable, "-m", "pytest", audit, "--models", str(MODELS), "-q"]
    command += ["--scenario", "scenario.yaml", "-c", "/dev/null", "--rootdir", "."]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)
    found = json.loads((folder / "reports/verdict.json").read_text())["models"]
    return {name: row["verdict"] for name, row in found.items()}


def test_the_models_that_learned_the_sign_are_found_on_pictures_that_have_it(
    tmp_path: Path,
) -> None:
    table(tmp_path, 200)
    found = verdicts(tmp_path)
    expected = {"F0": "promote", "F75": "reject", "F100": "reject"}
    told = {name: each for name, each in found.items() if name.split("-")[0] in expected}
    assert len(told) == len(found) - 2  # F25 may be either, and one learned another decoy
    assert told == {name: expected[name.split("-")[0]] for name in told}


def test_five_pictures_of_a_class_promote_nobody(tmp_path: Path) -> None:
    table(tmp_path, 5)
    assert "promote" not in verdicts(tmp_path).values()
