"""Candidate -> what is written of it: an entry of `rashomon.yaml`, metadata, plain values."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

from shortcut_audit import registry
from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.files.checking import checked
from shortcut_audit.files.checkpoint_files import files_of
from shortcut_audit.files.sources import source_of_module
from shortcut_audit.files.whole import replacing
from shortcut_audit.files.yaml_files import dumped
from shortcut_audit.inputs_and_outputs import SOFTMAX, Head, InputSize
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.manifest.file import MANIFEST, Manifest, manifest_content
from shortcut_audit.subjects.manifest.merging import WAYS


def write_manifest(folder: Path, candidates: Iterable[Candidate]) -> Path:
    """Adds these models to the folder's `rashomon.yaml`, or replaces those of the same names.

    The file is written whole or not at all. What a model shares with the manifest's top is written
    once. Law: `read_candidates` gives the same candidates back.

    Raises:
        UsageError: the manifest that is there, or the one that would be, cannot be understood.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / MANIFEST
    with FileLock(folder / f".{MANIFEST}.lock"):
        content: dict[str, Any] = {}
        if path.exists():
            content = manifest_content(path)
            checked(Manifest, content, f"'{path}'")
        for candidate in candidates:
            content = content or {**_described(candidate), "models": {}}
            content["models"][candidate.name] = _entry(candidate, folder, content)
        checked(Manifest, content, f"'{path}'")
        with replacing(path) as unfinished:
            unfinished.write_text(dumped(content), encoding="utf-8")
    return path


def describe(candidate: Candidate) -> dict[str, str]:
    """The metadata that makes a checkpoint self-describing, as `read_candidates` understands it."""
    words = {"name": candidate.name, "reference": candidate.reference, **_described(candidate)}
    texts = {}
    for key, value in words.items():
        texts[key] = value if isinstance(value, str) else json.dumps(value)
    return texts


def read_as(candidate: Candidate) -> dict[str, Any]:
    """How a file is read, as plain values: architecture, options, classes, input, own code.

    Two candidates with the same values make the same function of the same weights. `code` is the
    digest of a factory's source, and "" where the factory's module is not found; `files` are those
    that belong to the model, where they are several.
    """
    source = candidate.arch.partition(":")[0]
    own = {} if source in registry.names("architecture") else {"code": source_of_module(source)}
    described: dict[str, Any] = json.loads(json.dumps({**_described(candidate), **own}))
    return described | _files(candidate.file)


def _files(file: Path) -> dict[str, Any]:
    """The names of the files that are the model, where they are several."""
    names: list[str] = []
    with suppress(ShortcutAuditError, OSError):
        names = sorted(each.relative_to(file.parent).as_posix() for each in files_of(file))
    return {"files": names} if len(names) > 1 else {}


def _described(candidate: Candidate) -> dict[str, Any]:
    """What must be known of a model to build it, in the manifest's own words."""
    described: dict[str, Any] = {
        "arch": candidate.arch,
        "classes": list(candidate.classes),
        "input": _input(candidate),
    }
    if candidate.arch_options:
        options = {name: _listed(value) for name, value in candidate.arch_options}
        described["arch_options"] = options
    if candidate.head != SOFTMAX:
        described["head"] = _head(candidate.head, candidate.classes)
    return described


def _input(candidate: Candidate) -> dict[str, Any]:
    """The input; keys that have their usual values are left out."""
    size = InputSize.of(candidate.size)
    square = size.height == size.width
    said: dict[str, Any] = {"size": int(size) if square else [size.height, size.width]}
    if size.resize != int(size):
        said["resize"] = size.resize
    if size.squash:
        said["squash"] = True
    if size.interpolation != "bilinear":
        said["interpolation"] = size.interpolation
    if candidate.channels != Candidate.channels:
        said["channels"] = candidate.channels
    return {**said, "mean": list(candidate.mean), "std": list(candidate.std)}


def _usual(top: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The usual values of what the manifest's top says of the input, so that none is inherited."""
    usual = {"interpolation": "bilinear", "channels": Candidate.channels}
    said = top.get("input", {}).keys()
    found = {key: value for key, value in usual.items() if key in said}
    if WAYS & said and not WAYS & own.keys():
        return {**found, "squash": False}
    return found


def _head(head: Head, classes: Sequence[str]) -> dict[str, Any]:
    """The head; keys that have their usual values are left out."""
    said: dict[str, Any] = {"answers": head.answers}
    of_all = classes[-len(head.thresholds) :] if head.thresholds else ()
    if head.thresholds:
        said["threshold"] = dict(zip(of_all, head.thresholds, strict=True))
    if len(head.temperatures) == 1:
        said["temperature"] = head.temperatures[0]
    elif head.temperatures:
        said["temperature"] = dict(zip(classes, head.temperatures, strict=True))
    if head.output is not None:
        said["output"] = head.output
    if head.probabilities:
        said["probabilities"] = True
    return said


def _listed(value: Any) -> Any:
    """An option with lists in place of tuples, as YAML and JSON write them."""
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


def _entry(candidate: Candidate, folder: Path, top: Mapping[str, Any]) -> dict[str, Any]:
    """A model's entry in the manifest: its file, and what differs from the manifest's top."""
    described = _described(candidate)
    options, head = described.pop("arch_options", {}), described.pop("head", None)
    entry: dict[str, Any] = {"file": Path(os.path.relpath(candidate.file, folder)).as_posix()}
    for key, value in described.items():
        if value != top.get(key):
            entry[key] = {**_usual(top, value), **value} if key == "input" else value
    # options stand with their architecture: an entry with an arch of its own inherits none
    inherited = {} if "arch" in entry else top.get("arch_options", {})
    if options != inherited:
        entry["arch_options"] = options
    if head != top.get("head"):
        entry["head"] = head or {"answers": SOFTMAX.answers}
    if candidate.reference:
        entry["reference"] = True
    return entry
