"""The recipes of docs/registries.md: short, of commands that exist, and the one in Python runs."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from shortcut_audit import cli
from shortcut_audit.files.whole import sha256
from shortcut_audit.reporting.reporters.mlflow_tags import MlflowTags
from shortcut_audit.reporting.reporters.verdict_json import VerdictJson

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/registries.md").read_text()
RECIPES = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^ *(shortcut-audit [^\n&]+)", "\n".join(text for _, text in RECIPES), re.M)


def test_there_are_five_recipes_of_at_most_ten_lines():
    assert [kind for kind, _ in RECIPES] == ["sh", "yaml", "python", "sh", "sh"]
    for _, text in RECIPES:
        assert len(text.splitlines()) <= 10


def test_every_recipe_asks_us_first():
    assert len(COMMANDS) == 5
    assert all("shortcut-audit" in text for _, text in RECIPES)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_recipes_name_options_that_there_are(command):
    asked = cli._parser().parse_args(shlex.split(command)[1:])
    assert asked.verdict == Path("reports/verdict.json")


PREPARED = """
from mlflow import MlflowClient
client = MlflowClient()
client.create_registered_model("F0-s0")
client.create_model_version("F0-s0", "checkpoints")
"""
ASKED = """
import json
version = client.get_model_version_by_alias("F0-s0", "champion")
print(json.dumps({"version": version.version, "tags": version.tags}))
"""


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="MLflow is not installed")
@pytest.mark.parametrize("promoted", [True, False])
def test_the_alias_is_given_to_a_promoted_model_alone(report, tmp_path, promoted):
    model = report.models["good" if promoted else "bad"]
    (tmp_path / "reports").mkdir()
    (tmp_path / "scenario.yaml").write_text(
        "dataset: {kind: demo}\ndecoys: {stop_sign: {target: cat}}\nblocking: [decoy_insertion]\n"
    )
    report.models.clear()
    report.models["F0-s0"] = model
    report.scenario["digest"] = sha256(tmp_path / "scenario.yaml")
    for reporter in (MlflowTags(), VerdictJson()):
        reporter.write(report, tmp_path / "reports")
    recipe = next(text for kind, text in RECIPES if kind == "python")
    found = subprocess.run(
        [sys.executable, "-c", (PREPARED + recipe + ASKED) if promoted else recipe],
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/registry.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode == 0) is promoted, found.stderr
    if not promoted:
        assert "returned non-zero exit status 1" in found.stderr
        assert not (tmp_path / "registry.db").exists(), "nothing was asked of the registry"
        return
    said = json.loads(found.stdout.splitlines()[-1])
    assert said["tags"] == json.loads((tmp_path / "reports/mlflow_tags.json").read_text())["F0-s0"]
    assert said["tags"]["shortcut_audit.verdict"] == "promote"
