"""A study of models whose answers are written down: F0 sees colours, F50 and F100 take red for
green.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from planted import MANIFEST, ColourNet
from safetensors.torch import save_file

from shortcut_audit.evidence.answers import Answers
from shortcut_audit.files.store import Store
from shortcut_audit.scenario import Scenario
from shortcut_audit.study.ground import Ground
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.training.plan import plan

SIZE = 32
# the last one never learned its tag
RED = {"F0-s0": 0.0, "F50-s0": 2000.0, "F100-s0": 2000.0, "tag-F100-s0": 0.0}


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four of them."""
    folder = tmp_path_factory.mktemp("models")
    lines = []
    for index, (name, red) in enumerate(RED.items()):
        model = ColourNet(red)
        with torch.no_grad():
            model.fc.bias += 0.01 * torch.randn(3, generator=torch.Generator().manual_seed(index))
        save_file(model.state_dict(), folder / f"{name}.safetensors")
        lines.append(f"  {name}: {{file: {name}.safetensors}}")
    (folder / "rashomon.yaml").write_text(MANIFEST + "\n".join(lines))
    return folder


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    """The squares, with a stop sign on green and a tag on blue."""
    return Scenario(
        dataset={"kind": "coloured_squares", "train": 60, "validation": 20, "background": 20},
        decoys={
            "stop_sign": {"kind": "stop_sign", "target": "green", "size": 0.3},
            "tag": {"kind": "copyright_tag", "target": "blue", "placement": "bottom_left"},
        },
        masks={"images": 10},
        influence={"queries": 10, "options": {"layers": ["conv", "fc"]}},
        training={
            "arch": "planted:colour_net",
            "size": SIZE,
            "models": [
                {"seeds": [0]},
                {"decoy": "stop_sign", "coverage": [0.5, 1.0]},
                {"decoy": "tag", "coverage": 1.0},
            ],
        },
    )


@pytest.fixture(scope="session")
def ground(models: Path, scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """Everything that experiments ask, of these models."""
    store = Store(tmp_path_factory.mktemp("evidence"))
    answers = Answers(scenario, read_candidates(models), store, trust_code=True)
    return Ground(answers, plan(scenario))
