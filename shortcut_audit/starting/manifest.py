"""Guesses -> the text of `rashomon.yaml`, in which each guess is marked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from shortcut_audit.files.yaml_files import dumped
from shortcut_audit.starting.guessing import Guess

FILL_IN = "FILL_IN"  # where something must be written before an audit can run
KEYS = ("arch", "arch_options", "classes", "size", "mean", "std")


def manifest_text(folder: Path, guesses: Sequence[Guess]) -> str:
    """The manifest of the models in a folder.

    What the first model that can be read is said to be stands at the top; every other model has
    what differs from that.
    """
    first = min(guesses, key=lambda guess: len(guess.to_fill))
    top = _described(first)
    lines = [
        "# How the checkpoints in this folder are read; written by `shortcut-audit init`.",
        "# A key that stands in a model's own entry goes before the one at the top.",
        *_lines(first, top, KEYS),
        "# Add 'reference: true' to a model that was trained by the same recipe without any decoy.",
        "models:",
    ]
    for guess in guesses:
        own = {key: value for key, value in _described(guess).items() if value != top.get(key)}
        lines += _entry(folder, guess, own)
    return "\n".join(lines) + "\n"


def commented(key: str, value: Any, comment: str = "") -> str:
    """`key: value  # comment`, which may go over several lines."""
    if isinstance(value, list | dict):
        text = dumped({key: value}).rstrip("\n")
    else:
        text = f"{_plain_text(key)}: {_plain_text(value)}"
    return f"{text}  # {' '.join(comment.split())}" if comment else text


def _plain_text(value: Any) -> str:
    """A plain value as YAML, in quotes only where it would be taken for something else."""
    return dumped(value).removesuffix("...\n").rstrip("\n")


def _described(guess: Guess) -> dict[str, Any]:
    """Key -> value, as far as known or to be filled in."""
    model = guess.candidate
    said: dict[str, Any] = {
        "arch": model.arch,
        "arch_options": {name: _plain(value) for name, value in model.arch_options},
        "classes": list(model.classes),
        "size": model.size,
        "mean": list(model.mean) if model.size else None,
        "std": list(model.std) if model.size else None,
    }
    said |= {key: [FILL_IN] if key == "classes" else FILL_IN for key in guess.to_fill}
    return {key: value for key, value in said.items() if value}


def _plain(value: Any) -> Any:
    """An option with lists in place of tuples."""
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _lines(guess: Guess, values: dict[str, Any], keys: Iterable[str]) -> list[str]:
    """The lines of these keys, those of the input under it."""
    lines = []
    inside = []
    for key in keys:
        if key in values:
            line = commented(key, values[key], _comment(guess, key))
            if key in ("size", "mean", "std"):
                inside.append(indent(line, "  "))
            else:
                lines.append(line)
    return [*lines, "input:", *inside] if inside else lines


def _comment(guess: Guess, key: str) -> str:
    """Where a value comes from, if it is not the file that says it."""
    if key in guess.to_fill:
        return f"fill in {guess.to_fill[key]}"
    if key == "std" and "mean" in guess.guessed:
        return "as the mean"
    return f"guessed from {guess.guessed[key]}: check it" if key in guess.guessed else ""


def _entry(folder: Path, guess: Guess, own: dict[str, Any]) -> list[str]:
    """The lines of one model: its file, and what it has for itself alone."""
    model = guess.candidate
    file = Path(os.path.relpath(model.file, folder)).as_posix()
    entry: dict[str, Any] = {"file": file}
    if model.reference:
        entry["reference"] = True
    if not own:
        return [indent(commented(model.name, entry, guess.note), "  ")]
    lines = [f"  {_plain_text(model.name)}:"]
    lines += [f"    # {' '.join(guess.note.split())}"] if guess.note else []
    for key, value in entry.items():
        lines.append(indent(commented(key, value), "    "))
    return [*lines, *(indent(line, "    ") for line in _lines(guess, own, KEYS))]
