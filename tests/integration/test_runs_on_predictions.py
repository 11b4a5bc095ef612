"""Whole runs on answers alone: one planted, one honest, one too small to tell, as on checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from answered import answers, planted_folder, write

from shortcut_audit import cli
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates

pytestmark = pytest.mark.slow


def answered(home: Path) -> None:
    """Every model of `models` has its answers in `predictions`."""
    folder, lines = planted_folder(home / "scenario.yaml"), ["models:"]
    for each in read_candidates(home / "models"):
        network = load_subject(each, trust_code=True).network
        write(home / f"predictions/{each.name}.npz", *answers(folder, network))
        reference = str(each.reference).lower()
        lines.append(f"  {each.name}: {{file: {each.name}.npz, reference: {reference}}}")
    (home / "predictions/rashomon.yaml").write_text("\n".join(lines))


def figures(document: dict[str, Any]) -> dict[Any, Any]:
    """What was decided, and every number of every finding."""
    said: dict[Any, Any] = {}
    for name, model in document["models"].items():
        said[name] = model["verdict"]
        for each in model["findings"]:
            said[name, each["audit"], each["decoy"]] = each["claim"]
    return said


@pytest.mark.parametrize(
    ("validation", "clean", "planted"), [(60, "promote", "reject"), (3, "undecided", "reject")]
)
def test_a_run_on_answers_ends_as_one_on_checkpoints(
    repository: Callable[..., Any], validation: int, clean: str, planted: str
) -> None:
    made = repository(2, 1, validation)
    answered(made.path)
    made.use("decoy_only", "decoy_removal", "mask_localisation")
    made.audit()
    own = figures(made.verdict())
    made.audit(models="predictions")
    document = made.verdict()
    assert made.verdicts() == {"F0-s0": clean, "F0-s1": clean, "F100-s0": planted}
    masks = {key for key in own if "mask_localisation" in key}
    found = figures(document)
    assert {key: found[key] for key in own.keys() - masks} == {
        key: own[key] for key in own.keys() - masks
    }
    assert all("masks and influence cannot be asked" in found[key] for key in masks)


def test_the_gate_speaks_of_the_file_of_answers_alone(
    repository: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository(2, 1)
    answered(made.path)
    made.audit(models="predictions")
    asked = ["gate", str(made.path / "reports/verdict.json"), "--model", "F0-s0"]
    capsys.readouterr()
    assert cli.main(asked) == 0
    assert (
        "its answers to planted pictures were audited, and not the model that gave them: whoever "
        "sent them answers for their being its own" in capsys.readouterr().out
    )
    file = made.path / "predictions/F0-s0.npz"
    with np.load(file) as held:
        write(file, held["files"].tolist(), held["logits"] + 1)
    assert cli.main(asked) == 1
    assert "refused: " in capsys.readouterr().out


def test_where_masks_block_answers_promote_nobody(repository: Callable[..., Any]) -> None:
    made = repository(2, 0, more="blocking: [decoy_insertion, mask_localisation]")
    answered(made.path)
    made.use("mask_localisation")
    made.audit(models="predictions")
    assert set(made.verdicts().values()) == {"undecided"}
