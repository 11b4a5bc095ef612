"""The examples of docs/store.md, run as the page has them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shortcut_audit.cli import main
from shortcut_audit.files.storage.bucket import PACKAGES, REST
from shortcut_audit.files.store import Store

PAGE = (Path(__file__).parents[2] / "docs/store.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_commands_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Store("reports/evidence").arrays("logits", {"a": 1}, lambda: {"x": np.ones(3)})
    (commands,) = blocks("sh")
    for command in commands.splitlines():
        program, *arguments = shlex.split(command, comments=True)
        assert program == "shortcut-audit"
        assert main(arguments) == 0
        assert "1 entry" in capsys.readouterr().out


def test_the_python_runs():
    fsspec = pytest.importorskip("fsspec")
    scope: dict[str, Any] = {}
    exec("\n".join(blocks("python")), scope)
    assert scope["logits"].shape == (8, 2)
    assert all(block["logits"].all() for block in scope["blocks"])
    assert not scope["one_other_piece"]()
    fsspec.filesystem("memory").store.clear()


def test_the_page_names_every_kind_of_storage():
    assert set(re.findall(r"`(\w+)://", PAGE)) - {"file"} == set(PACKAGES)
    assert REST == 120, "two minutes"
