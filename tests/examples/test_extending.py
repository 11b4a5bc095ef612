"""docs/extending.md, run: every class is registered and used in one audit of a user's own."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from planted import write_models

import shortcut_audit.harness.judge  # noqa: F401 - numpy, torch and scipy cannot be imported twice in one process
from shortcut_audit import registry

PAGE = Path(__file__).parents[2] / "docs/extending.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
SCENARIO = """
dataset: {kind: coloured_squares, validation: 40}
decoys: {stripe: {kind: red_stripe, target: green, height: 8}}
masks: {explainer: input_gradient, images: 20}
influence: {method: pixel_cosine, queries: 10}
limits: {confidence: 0.3}
blocking: [confidence, mask_localisation, influence_precision@50]
"""


def test_the_page_shows_every_kind_that_a_user_adds():
    shown = set(re.findall(r'@register\("(\w+)"\)', "".join(BLOCKS)))
    assert shown == set(registry.FOLDERS) - {"checkpoint", "architecture"}


@pytest.fixture
def extensions(monkeypatch):
    """What a test registers is forgotten after it."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


@pytest.mark.usefixtures("extensions")
def test_the_page_runs(pytester):
    classes = [block for block in BLOCKS if "def test_" not in block]
    audit = next(block for block in BLOCKS if "def test_" in block)
    pytester.makeconftest("import planted\n" + "\n".join(classes))
    pytester.makeini("[pytest]\nscenario = scenario.yaml\n")
    (pytester.path / "scenario.yaml").write_text(SCENARIO)
    write_models(pytester.path / "models", clean=2, planted=1)
    audits = pytester.mkdir("audits")
    (audits / "test_confidence.py").write_text("import numpy as np\n" + audit)
    for name in ("mask_localisation", "influence_precision"):
        (audits / f"test_{name}.py").write_text(
            (PAGE.parents[1] / f"audits/test_{name}.py").read_text()
        )
    result = pytester.runpytest("audits", "--models=models", "--audit-trust-code")
    result.stdout.no_fnmatch_line("*NOT AUDITED*")
    result.stdout.no_fnmatch_line("*Error*")
    assert "of 3 promoted" in (pytester.path / "reports/one-line.txt").read_text()


def test_the_proposer_on_the_page_proposes_what_is_darker(extensions):
    scope: dict = {}
    exec("\n".join(block for block in BLOCKS if "def test_" not in block), scope)
    pictures = scope["Greys"]().load("train", 32)
    parts = SimpleNamespace(search=pictures, rank=pictures)
    search = SimpleNamespace(parts=parts, targets=(0, 1))
    means = [float(pictures.pixels[pictures.labels == at].float().mean()) for at in (0, 1)]
    (found,) = scope["DarkPictures"](least=0.01).propose(search)
    assert found.target == pictures.classes[int(means[1] < means[0])]
    assert scope["DarkPictures"](least=0.99).propose(search) == []


ITEMS = """
import planted, torch

class MyDataset(torch.utils.data.Dataset):
    def __init__(self, split):
        self.made = planted.ColouredSquares(train=20, validation=40).load(split, 32)

    def __len__(self):
        return len(self.made.ids)

    def __getitem__(self, at):
        return self.made.pixels[at], int(self.made.labels[at])
"""


@pytest.mark.usefixtures("extensions")
def test_five_lines_make_a_torch_dataset_a_data_set(pytester):
    lines = next(block for block in BLOCKS if "from_torch" in block)
    assert len([line for line in lines.splitlines() if line]) <= 5
    lines = lines.replace('("dark", "light")', '("green", "blue", "yellow")')
    pytester.makeconftest(ITEMS + lines)
    pytester.makeini("[pytest]\nscenario = scenario.yaml\n")
    (pytester.path / "scenario.yaml").write_text(
        "dataset: {kind: my_photos}\n"
        "decoys: {stop_sign: {kind: stop_sign, target: green, size: 0.3}}\n"
        "blocking: [decoy_insertion]\n"
    )
    write_models(pytester.path / "models", clean=2, planted=1)
    audits = pytester.mkdir("audits")
    audit = PAGE.parents[1] / "audits/test_decoy_insertion.py"
    (audits / audit.name).write_text(audit.read_text())
    result = pytester.runpytest("audits", "--models=models", "--audit-trust-code")
    result.stdout.no_fnmatch_line("*NOT AUDITED*")
    result.stdout.fnmatch_lines(["*F100-s0*reject*"])


def test_the_data_set_on_the_page_keeps_the_contract(extensions):
    scope: dict = {}
    exec("\n".join(block for block in BLOCKS if "def test_" not in block), scope)
    pictures = scope["Greys"]().load("train", 32)
    assert pictures.pixels.shape == (20, 3, 32, 32)
    assert pictures.digest == scope["Greys"]().load("train", 32).digest
