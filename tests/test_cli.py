"""The commands, as a user types them."""

from __future__ import annotations

import hashlib
import json
import pkgutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from shortcut_audit import commands
from shortcut_audit.cli import main
from shortcut_audit.files import sources


@pytest.fixture
def verdict(tmp_path):
    """A verdict file on one promoted and one rejected checkpoint."""
    models = {}
    for name, word in (
        ("F0", "promote"),
        ("F100", "reject"),
        ("F50", "waived"),
        ("F25", "undecided"),
    ):
        file = tmp_path / f"{name}.pt"
        file.write_bytes(name.encode())
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        models[name] = {
            "verdict": word,
            "sentence": f"{name} is {word}d",
            "sha256": sha256,
            "file": str(file),
        }
    path = tmp_path / "verdict.json"
    path.write_text(json.dumps({"models": models}))
    return path


@pytest.mark.parametrize(("model", "code"), [("F0", 0), ("F100", 1), ("F50", 0), ("F25", 1)])
def test_gate_lets_only_promoted_models_through(verdict, model, code, capsys):
    assert main(["gate", str(verdict), "--model", model]) == code
    assert model in capsys.readouterr().out


def test_gate_refuses_another_checkpoint(verdict, tmp_path, capsys):
    (tmp_path / "F0.pt").write_bytes(b"trained a little longer")
    assert main(["gate", str(verdict), "--model", "F0"]) == 1
    assert "SHA-256 differs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gate", "{verdict}", "--model", "F10"], "has no verdict on 'F10'; did you mean 'F100'?"),
        (["gate", "{verdict}.missing", "--model", "F0"], "a missing report is a failed gate"),
        (["gate", "{verdict}", "--model", "F0", "--file", "gone.pt"], "'gone.pt' is not there"),
        (["train", "no.yaml", "--out", "x"], "cannot read the scenario 'no.yaml'"),
        (["study", "no.yaml"], "cannot read the scenario 'no.yaml'"),
        (["study", "fixtures/study.yaml", "--only", "e9"], "no experiment called 'e9'"),
        (["study", "fixtures/study.yaml", "--models", "gone"], "--models 'gone' does not exist"),
        (["study", "fixtures/flowers.yaml", "--data", "gone"], "--data 'gone' is no folder"),
        (["report", "nowhere"], "cannot read 'nowhere/verdict.json'"),
    ],
)
def test_a_mistake_is_one_sentence_and_code_4(verdict, arguments, words, capsys):
    assert main([argument.format(verdict=verdict) for argument in arguments]) == 4
    said = capsys.readouterr().err
    assert words in said
    assert len(said.splitlines()) == 1


def test_gate_on_an_empty_file_is_a_mistake(verdict, capsys):
    verdict.write_text("")
    assert main(["gate", str(verdict), "--model", "F0"]) == 4
    assert "is no verdict file" in capsys.readouterr().err


def test_audits_prints_the_folder_of_the_audits(capsys):
    assert main(["audits"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert (folder / "test_decoy_insertion.py").is_file()


@pytest.mark.parametrize("where", ["inside", "beside"])
def test_the_audits_are_found_in_a_wheel_and_in_a_checkout(where, tmp_path, monkeypatch):
    package = tmp_path / "site/shortcut_audit"
    folder = (package if where == "inside" else package.parent) / "audits"
    folder.mkdir(parents=True)
    (folder / "test_decoy_insertion.py").touch()
    monkeypatch.setattr(sources, "PACKAGE", package)
    assert sources.shipped_audits() == folder


def test_where_there_are_no_audits_that_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sources, "PACKAGE", tmp_path / "shortcut_audit")
    assert main(["audits"]) == 4
    assert "no audits lie in or beside" in capsys.readouterr().err


HEAVY = (
    "torch",
    "torchvision",
    "scipy",
    "numpy",
    "PIL",
    "matplotlib",
    "yaml",
    "pytest",
)


def test_help_lists_every_command_in_its_order(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--help"])
    words = capsys.readouterr().out.split()
    of_room = []
    for module in pkgutil.iter_modules(commands.__path__):
        if hasattr(import_module(f"shortcut_audit.commands.{module.name}"), "add"):
            of_room.append(module.name)
    listed = [word for word in words if word in of_room]
    assert set(listed) == set(of_room)
    assert [name for name in commands.ORDER if name in listed] == list(dict.fromkeys(listed))


def test_each_command_has_help_of_its_own(capsys):
    for name in commands.ORDER:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        assert f"usage: shortcut-audit {name}" in capsys.readouterr().out


def test_help_imports_nothing_heavy():
    code = (
        "import contextlib, sys\n"
        "from shortcut_audit.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['--help'])\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stderr.strip() == "[]"


def test_whoever_reads_the_first_lines_only_ends_it_quietly():
    command = f"{sys.executable} -m shortcut_audit.cli decoys | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout
    assert not done.stderr
