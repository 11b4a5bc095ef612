"""A small run, and its evidence as it is without an engine."""

from __future__ import annotations

import sys
from pathlib import Path

import planted
import pytest
from small_run import Small, entries, every_task

from shortcut_audit.gathering.tasks import perform


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    monkeypatch.setattr(sys, "path", [*sys.path])  # code of a run's own adds to it
    planted.write_models(tmp_path / "models", 1, 1)
    return Small(tmp_path)


@pytest.fixture
def directly(small: Small) -> dict[str, dict[str, str]]:
    """The entries of a run whose evidence is asked for one by one, without an engine."""
    evidence = small.site("directly").evidence()
    for task in every_task(evidence, check=True):
        perform(task, evidence)
    small.asked()
    return entries(small.folder / "directly")
