"""Every registered decoy in words: what it is, and its options with defaults, types and meaning."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from typing import Any

from shortcut_audit import registry
from shortcut_audit.subjects.decoying import filtering, pasting

# an option in the source of its class: `size: float = 0.25  # in (0, 1]`
OPTION = re.compile(r"^    (\w+): [^#]*?(?:  # (.*))?$", re.MULTILINE)
KINDS = (
    (pasting.Pasted, "Pasted at a place", "Every one of them has these options:"),
    (filtering.Filtered, "Over the whole picture", "Every one of them has these options:"),
)
WIDTH = 100


def listed() -> Iterator[str]:
    """The lines of the list: first what many have in common, then each decoy with its own."""
    decoys = {name: registry.lookup("decoy", name) for name in registry.names("decoy")}
    for parent, title, shared in KINDS:
        own = {name: each for name, each in decoys.items() if issubclass(each, parent)}
        yield from (f"{title}: {', '.join(own)}", shared, *_options(parent, ()), "")
        for name, each in own.items():
            yield from _described(name, each, parent)
    for name, each in decoys.items():
        if not issubclass(each, tuple(parent for parent, *_ in KINDS)):
            yield from _described(name, each, object)
    yield f"PLACEMENTS: {', '.join(pasting.PLACEMENTS)}"
    yield f"CONTROLS of what is pasted: {', '.join(pasting.CONTROLS)}"
    yield f"CONTROLS of what is over the whole picture: {', '.join(filtering.CONTROLS)}"
    yield ""
    yield "In a scenario: decoys: {NAME: {kind: stop_sign, target: CLASS, size: 0.3}}"
    yield "On your own pictures: shortcut-audit decoys --pictures FOLDER --out decoys.png"


def purpose(name: str) -> str:
    """The first sentence of the decoy's docstring."""
    said = inspect.getdoc(registry.lookup("decoy", name)) or name
    return re.split(r"(?<=\.)\s", " ".join(said.split()))[0]


def _described(name: str, decoy: type[Any], parent: type[Any]) -> Iterator[str]:
    """A decoy's lines: its name, its docstring, and the options in which it differs."""
    yield name
    for paragraph in (inspect.getdoc(decoy) or "").split("\n\n"):
        text = " ".join(paragraph.split())
        yield from textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield from _options(decoy, fields(parent) if parent is not object else ())
    yield ""


def _options(decoy: type[Any], known: tuple[Field[Any], ...]) -> Iterator[str]:
    """A line for each option that is not among the known ones, or has another default."""
    before = {option.name: option.default for option in known}
    meaning = _meanings(decoy)
    for option in fields(decoy):
        if option.name in before and before[option.name] == option.default:
            continue
        default = "" if option.default in (MISSING, "") else f" = {option.default}"
        kind = option.type if isinstance(option.type, str) else option.type.__name__
        said = f"{option.name}: {kind}{default}"
        yield f"    {said:36} {meaning.get(option.name, '')}".rstrip()


def _meanings(decoy: type[Any]) -> dict[str, str]:
    """Option -> the comment behind it in the source; of its own class before those of its parents.

    A decoy whose source is nowhere, as one that was typed in, has none.
    """
    found: dict[str, str] = {}
    for each in reversed(decoy.__mro__[:-1]):
        try:
            source = inspect.getsource(each)
        except (OSError, TypeError):
            continue
        found |= {name: said for name, said in OPTION.findall(source) if said}
    return found
