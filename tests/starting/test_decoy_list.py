"""Every decoy is listed, with every option that is its own."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from shortcut_audit import registry
from shortcut_audit.cli import main
from shortcut_audit.starting.decoy_list import listed, purpose
from shortcut_audit.subjects.decoying.pasting import CONTROLS, PLACEMENTS, Pasted


@pytest.fixture(scope="module")
def lines():
    return list(listed())


@pytest.mark.parametrize("name", registry.names("decoy"))
def test_each_decoy_stands_there_with_the_options_that_are_its_own(name, lines):
    start = lines.index(name)
    own = lines[start : lines.index("", start)]
    assert purpose(name)[:40] in own[1]
    shared = {field.name: field.default for field in fields(Pasted)}
    for option in fields(registry.lookup("decoy", name)):
        if option.name not in {*shared, "target", "opacity", "seed", "control"}:
            assert any(line.startswith(f"    {option.name}: ") for line in own), option.name


def test_defaults_types_and_meanings_are_the_ones_of_the_source(lines):
    start = lines.index("copyright_tag")
    own = "\n".join(lines[start : lines.index("", start)])
    assert "size: float = 0.5" in own
    assert "the tag's width" in own
    assert "text: str = © 2021" in own
    assert "seed" not in own, "what all decoys share stands at the top"


def test_placements_and_controls_are_listed(lines):
    assert f"PLACEMENTS: {', '.join(PLACEMENTS)}" in lines
    assert f"CONTROLS of what is pasted: {', '.join(CONTROLS)}" in lines


def test_a_decoy_of_ones_own_is_listed_without_its_source(monkeypatch):
    @dataclass(frozen=True)
    class Stripe:
        """A stripe. It is red."""

        target: str = ""
        height: int = 6

    monkeypatch.setitem(registry._registered, ("decoy", "stripe"), Stripe)
    said = list(listed())
    assert "stripe" in said
    assert any(line.startswith("    height: int = 6") for line in said)
    assert purpose("stripe") == "A stripe."


def test_the_command_prints_it(capsys):
    assert main(["decoys"]) == 0
    said = capsys.readouterr().out
    assert "\nstop_sign\n" in said
    assert said.endswith("shortcut-audit decoys --pictures FOLDER --out decoys.png\n")


def test_a_sheet_without_pictures_is_one_sentence(capsys):
    assert main(["decoys", "--out", "x.png"]) == 4
    assert "add --pictures FOLDER" in capsys.readouterr().err
