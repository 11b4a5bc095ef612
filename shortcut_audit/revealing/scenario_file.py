"""Revealed -> `discovered.yaml` and its pictures: a scenario whose decoys are what was found."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from shortcut_audit.discovery.families.family import Family, decoy_of
from shortcut_audit.discovery.families.mark import Mark
from shortcut_audit.files.whole import printable, replacing
from shortcut_audit.files.yaml_files import dumped
from shortcut_audit.reporting.wording import percent
from shortcut_audit.revealing.revealed import Revealed, Thing
from shortcut_audit.scenario import Scenario

NAME = "discovered.yaml"
# what a later audit of the discovered decoys takes over; training, waivers and the like are about
# the decoys that somebody had named
TAKEN_OVER = ("limits", "rashomon", "masks", "influence", "blocking")
SEEKING = ("unknown_shortcuts", "smallest_decoy")  # audits that the file does not switch on


def write_scenario(revealed: Revealed, scenario: Scenario, folder: Path) -> list[Path]:
    """Writes the pictures of the marks, then the scenario, and returns the files.

    Law: read again, its decoys put the same pixels on any picture as the things that were found.
    """
    written: dict[str, Path] = {}
    decoys: list[str] = []
    for thing in revealed.things:
        options = {**options_of(thing.family), "target": thing.family.target}
        if thing.family.rgba is not None:
            written[thing.name] = folder / _file_of(thing.name, {p.name for p in written.values()})
            options["image"] = written[thing.name].name
            _write_mark(thing.family, written[thing.name])
        decoys += [f"  # {line}" for line in _about(thing)]
        decoys += [f"  {line}" for line in dumped({thing.name: options}).splitlines()]
    with replacing(folder / NAME) as unfinished:
        unfinished.write_text("\n".join(_text(scenario, folder, decoys)) + "\n", encoding="utf-8")
    return [folder / NAME, *written.values()]


def options_of(family: Family) -> dict[str, Any]:
    """The options of the registered decoy that does the same, but for target and picture."""
    decoy = decoy_of(family)
    if not isinstance(decoy, Mark):
        return dict(family.filter or {})
    if decoy.fixed:
        return {"kind": "layer"}
    return {"kind": "overlay", "placement": decoy.placement, "size": decoy.size}


def _write_mark(family: Family, path: Path) -> None:
    """The mark as a PNG; its alpha is the opacity."""
    decoy = decoy_of(family)
    assert isinstance(decoy, Mark), "what has no mark has no picture"
    with replacing(path) as unfinished:
        Image.fromarray(decoy.rgba).save(unfinished, "PNG")


def _file_of(name: str, taken: set[str]) -> str:
    """A file's name that every system can keep, and that no other thing has."""
    stem = re.sub(r"[^\w-]", "_", printable(name))
    while f"{stem}.png" in taken:
        stem += "_"
    return f"{stem}.png"


def _about(thing: Thing) -> Iterator[str]:
    """What was seen, and what came of it, as lines without a break."""
    family = thing.family
    seen = f"on at least {family.recurs} training pictures of '{family.target}'"
    yield _one_line(f"seen {seen}, by {', '.join(family.proposers)}; {family.words}")
    for model, answer in thing.told().items():
        peers = "" if answer.peers is None else f", in a peer at most {percent(answer.peers)}"
        yield _one_line(
            f"{model}: turns {percent(answer.share)} of {answer.n} validation pictures, "
            f"{percent(answer.control)} under the control{peers}: {answer.state}"
        )


def _one_line(text: str) -> str:
    """Names may hold anything; a comment ends where its line does."""
    return " ".join(printable(text).split())


def _text(scenario: Scenario, folder: Path, decoys: list[str]) -> Iterator[str]:
    yield "# What `shortcut-audit discover` proposed, as decoys that any later audit can name:"
    yield f"# pytest audits/ --models DIR --scenario {NAME}"
    yield dumped({"dataset": _data_set(scenario, folder)}).rstrip()
    yield "decoys:" if decoys else "decoys: {}  # nothing was proposed, which is no pass"
    yield from decoys
    yield "# Only as they were seen: nobody has seen them larger or more opaque."
    yield "strengths: []"
    named = scenario.model_fields_set & {*TAKEN_OVER}
    kept = scenario.model_dump(mode="json", include=named, exclude_unset=True)
    if "blocking" in kept:
        kept["blocking"] = [audit for audit in kept["blocking"] if audit not in SEEKING]
    if kept := {key: value for key, value in kept.items() if value != []}:
        yield dumped(kept).rstrip()


def _data_set(scenario: Scenario, folder: Path) -> dict[str, Any]:
    """The options of the data set, whose paths lead there from this folder.

    They are absolute where `data` has moved them: then they mean the same with and without it.
    """
    start = None if scenario.data else folder.resolve()
    found: dict[str, Any] = _moved(scenario.dataset, scenario.build_dataset(), start)
    return found


def _moved(given: Any, built: Any, start: Path | None) -> Any:
    """What was given, its paths as `built` has them: relative to `start`, or as they are."""
    if isinstance(built, Path):
        absolute = start is None or Path(str(given)).is_absolute()
        return str(built) if absolute else Path(os.path.relpath(built, start)).as_posix()
    if isinstance(given, list | tuple) and isinstance(built, tuple):
        return [_moved(*each, start) for each in zip(given, built, strict=True)]
    if not isinstance(given, Mapping) or not is_dataclass(built):
        return given
    options = dict(given)
    for option in fields(built):
        value = getattr(built, option.name)
        if option.name in given or isinstance(value, Path):
            options[option.name] = _moved(given.get(option.name, ""), value, start)
    return options
