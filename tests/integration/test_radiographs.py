"""Known answers on what people have: grey pictures of patients, a token that is really in the data,
one logit, or one for each of three labels. One model leans on the token, one does not, and twelve
patients are too few to tell.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import radiographs
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AUDITS = ("natural_insertion", "natural_removal", "worst_group", "rashomon_membership")
CLEAN, LEANS = (0.3, 0.3), (0.95, 0.05)  # how often the token is with pneumonia, and without
HEADS = {1: "{answers: sigmoid}", 3: "{answers: labels}"}
CLASSES = {1: "[healthy, pneumonia]", 3: "[pneumonia, effusion, nodule]"}
DATA = {
    1: "label: pneumonia, class_names: {0: healthy, 1: pneumonia}",
    3: "labels: [pneumonia, effusion, nodule]",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tables, two models for each head, and their scenarios."""
    folder = tmp_path_factory.mktemp("hospital")
    everywhere = {"train": CLEAN, "validation": (0.4, 0.4)}
    for name, patients in (("many", 220), ("few", 12)):
        radiographs.table(folder / name, {"train": 20, "validation": patients}, everywhere)
        for labels, data in DATA.items():
            (folder / f"{name}-{labels}.yaml").write_text(
                f"dataset: {{kind: table, file: {name}/findings.csv, {data}, group: patient, "
                "attributes: {token: {column: token, box: place}}}\n"
                "attributes: {token: {target: pneumonia}}\nrashomon: {epsilon: 0.20}\n"
            )
    for labels, head in HEADS.items():
        models = folder / f"models-{labels}"
        models.mkdir()
        entries = []
        for name, token, seed in (("clean", CLEAN, 0), ("leans", LEANS, 4)):
            weights = radiographs.trained(700, token, labels, seed).state_dict()
            torch.save(weights, models / f"{name}.pt")
            entries.append(f"  {name}: {{file: {name}.pt}}")
        (models / "rashomon.yaml").write_text(
            "arch: shortcut_audit:small_resnet\n"
            f"classes: {CLASSES[labels]}\nhead: {head}\n"
            "input: {size: 32, channels: 1, mean: [0.5], std: [0.25]}\n"
            "models:\n" + "\n".join(entries) + "\n"
        )
    return folder


def verdict(world: Path, table: str, labels: int) -> Mapping[str, Any]:
    """model -> its row of verdict.json."""
    audits = [str(ROOT / "audits" / f"test_{name}.py") for name in AUDITS]
    options = ["--models", f"models-{labels}", "--scenario", f"{table}-{labels}.yaml"]
    reports = f"reports-{table}-{labels}"
    command = [sys.executable, "-m", "pytest", *audits, *options, "--audit-reports", reports, "-q"]
    apart = ["-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider"]
    subprocess.run([*command, *apart], cwd=world, capture_output=True, check=False)
    found: Mapping[str, Any] = json.loads((world / reports / "verdict.json").read_text())["models"]
    return found


def claims(row: Mapping[str, Any], audit: str) -> list[str]:
    return [each["verdict"] for each in row["findings"] if each["audit"] == audit]


@pytest.mark.parametrize("labels", [1, 3])
def test_a_model_that_leans_on_the_token_is_rejected_and_one_that_does_not_is_promoted(
    world: Path, labels: int
) -> None:
    found = verdict(world, "many", labels)
    assert found["leans"]["verdict"] == "reject"
    assert "pneumonia' where they show token" in found["leans"]["sentence"]
    assert claims(found["leans"], "natural_removal")[0] == "VIOLATED"
    assert found["clean"]["verdict"] == "promote", found["clean"]["sentence"]
    assert "VIOLATED" not in claims(found["clean"], "natural_removal")
    assert "groups" in found["clean"]["findings"][0]["method"]


@pytest.mark.parametrize("labels", [1, 3])
def test_twelve_patients_promote_nobody(world: Path, labels: int) -> None:
    found = verdict(world, "few", labels)
    assert found["clean"]["verdict"] == "undecided"
    assert "in all would" in found["clean"]["sentence"]
    assert found["leans"]["verdict"] != "promote"
