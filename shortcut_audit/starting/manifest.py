"""Guesses -> the text of `rashomon.yaml`, in which each guess is marked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any

from shortcut_audit.files.yaml_files import dumped
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.starting.guessing import Guess

FILL_IN = "FILL_IN"  # where something must be written before an audit can run
OF_THE_INPUT = ("size", "resize", "squash", "interpolation", "channels", "mean", "std")
KEYS = ("arch", "arch_options", "classes", "head", *OF_THE_INPUT)
# what is written of every model as soon as one has another value, and else of none
USUAL = {
    "squash": False,
    "interpolation": "bilinear",
    "channels": 3,
    "head": {"answers": "softmax"},
}


def manifest_text(folder: Path, guesses: Sequence[Guess]) -> str:
    """The manifest of the models in a folder.

    What the first model that can be read is said to be stands at the top; every other model has
    what differs from that.
    """
    first = min(guesses, key=lambda guess: len(guess.to_fill))
    unusual = _unusual(guesses)
    top = _described(first, unusual)
    lines = [
        "# How the checkpoints in this folder are read; written by `shortcut-audit init`.",
        "# A key that stands in a model's own entry goes before the one at the top.",
        *_lines(first, top, KEYS),
        "# Add 'reference: true' to a model that was trained by the same recipe without any decoy.",
        "models:",
    ]
    for guess in guesses:
        described = _described(guess, unusual)
        own = {key: value for key, value in described.items() if value != top.get(key)}
        lines += _entry(folder, guess, own)
    return "\n".join(lines) + "\n"


def _unusual(guesses: Iterable[Guess]) -> set[str]:
    """The keys of USUAL, and `resize`, of which some model has another value."""
    found = set()
    for guess in guesses:
        size, said = InputSize.of(guess.candidate.size), _framing(guess)
        found |= {key for key, usual in USUAL.items() if said[key] != usual}
        found |= {"resize"} if size.resize != int(size) else set()
    return found


def _framing(guess: Guess) -> dict[str, Any]:
    """How pictures are brought to the input, and what the outputs mean."""
    model, size = guess.candidate, InputSize.of(guess.candidate.size)
    return {
        "resize": size.resize,
        "squash": size.squash,
        "interpolation": size.interpolation,
        "channels": model.channels,
        "head": {"answers": model.head.answers},
    }


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


def _described(guess: Guess, unusual: set[str]) -> dict[str, Any]:
    """Key -> value, as far as known or to be filled in; of the usual values those named."""
    model, size = guess.candidate, InputSize.of(guess.candidate.size)
    said: dict[str, Any] = {
        "arch": model.arch,
        "arch_options": {name: _plain(value) for name, value in model.arch_options},
        "classes": list(model.classes),
        "size": int(size) if size.height == size.width else [size.height, size.width],
        "mean": list(model.mean) if model.size else None,
        "std": list(model.std) if model.size else None,
    }
    said |= {key: [FILL_IN] if key == "classes" else FILL_IN for key in guess.to_fill}
    known = {key: value for key, value in said.items() if value}
    return known | {key: value for key, value in _framing(guess).items() if key in unusual}


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
            if key in OF_THE_INPUT:
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
