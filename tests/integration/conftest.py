"""A repository of a user's: models whose answers are known, a scenario, and this project's audits."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import scipy.stats  # noqa: F401 - see below
import torch._dynamo  # noqa: F401 - an optimiser imports it
from planted import write_models, write_scenario

import shortcut_audit.harness.disagreement
import shortcut_audit.harness.judge  # noqa: F401
from shortcut_audit import registry

# Whatever a run imports is forgotten after it, and numpy, torch and scipy cannot be imported twice:
# import all of it here.
for kind in registry.FOLDERS:
    for name in registry.names(kind):
        registry.lookup(kind, name)

ROOT = Path(__file__).parents[2]


@dataclass
class Repository:
    """Runs pytest in a folder that has `models/`, `scenario.yaml` and `audits/`."""

    pytester: pytest.Pytester

    @property
    def path(self) -> Path:
        return self.pytester.path

    def audit(self, *arguments: str, models: str = "models") -> pytest.RunResult:
        """`pytest audits/ --models models --audit-trust-code ...`."""
        return self.pytester.runpytest(
            "audits", f"--models={models}", "--audit-trust-code", *arguments
        )

    def verdict(self) -> dict[str, Any]:
        """The verdict file of the last run."""
        document: dict[str, Any] = json.loads((self.path / "reports/verdict.json").read_text())
        return document

    def verdicts(self) -> dict[str, str]:
        """model -> promote, reject, undecided or waived."""
        return {name: model["verdict"] for name, model in self.verdict()["models"].items()}

    def use(self, *audits: str) -> None:
        """Copies audits of this project into the repository."""
        folder = self.path / "audits"
        folder.mkdir(exist_ok=True)
        for name in audits:
            (folder / f"test_{name}.py").write_text((ROOT / f"audits/test_{name}.py").read_text())


@pytest.fixture
def repository(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Repository]:
    """A function that sets one up: how many clean and planted models, how many validation images,
    more scenario lines.
    """
    # for the processes that are started
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), str(ROOT)]))

    def make(clean: int = 4, planted: int = 1, validation: int = 60, more: str = "") -> Repository:
        made = Repository(pytester)
        pytester.makeconftest("import planted\n")
        pytester.makeini("[pytest]\nscenario = scenario.yaml\n")
        write_models(made.path / "models", clean, planted)
        write_scenario(made.path / "scenario.yaml", validation, more)
        made.use("decoy_insertion", "rashomon_membership")
        return made

    return make
