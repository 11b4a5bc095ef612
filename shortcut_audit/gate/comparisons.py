"""A verdict file against the scenario, the audits and the pictures that somebody names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shortcut_audit.errors import ShortcutAuditError, UsageError
from shortcut_audit.files.whole import sha256
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.promotion import PROMOTED, decided_again
from shortcut_audit.reporting.record import from_row
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.pictures.material import Material

Document = dict[str, Any]  # a verdict file


@dataclass(frozen=True)
class Asked:
    """What the gate is asked to hold the verdict against; None is not compared."""

    model: str
    file: Path | None = None  # the checkpoint; None: where it was when it was audited
    scenario: Path | None = None
    audits: Path | None = None
    data: Path | None = None  # where the data set's paths start; needs `scenario`


def other_than_asked(document: Document, asked: Asked) -> Iterator[str]:
    """A sentence for each of scenario, pictures and audits that was named and is another."""
    if asked.data is not None and asked.scenario is None:
        raise UsageError("--data needs --scenario FILE, which says how the pictures are loaded")
    if asked.scenario is not None:
        audited = document.get("scenario", {})
        if _digest(asked.scenario) != audited.get("digest"):
            yield (
                f"'{asked.scenario}' is not the scenario that was audited "
                f"('{audited.get('path')}'; its SHA-256 differs)"
            )
        elif asked.data is not None:
            yield from _other_data(document.get("data", {}), asked.scenario, asked.data)
    if asked.audits is not None:
        yield from _other_audits(document.get("suite", {}).get("files", {}), asked.audits)


def decided_otherwise(row: Mapping[str, Any], asked: Asked) -> Iterator[str]:
    """A sentence where the scenario that was named promotes nobody on these findings."""
    if asked.scenario is None or row["verdict"] not in PROMOTED or "findings" not in row:
        return
    findings = map(from_row, row["findings"])
    decision, why = decided_again(asked.model, findings, load_scenario(asked.scenario))
    if decision != row["verdict"]:
        yield f"by '{asked.scenario}' its findings say {decision}, not {row['verdict']}: {why}"


def _digest(path: Path) -> str:
    """The SHA-256 of a file that the user named."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}") from None


def _other_audits(audited: Mapping[str, str], folder: Path) -> Iterator[str]:
    """A sentence for each audit below the folder that was not run, or is not what was run."""
    if not folder.is_dir():
        raise UsageError(f"--audits '{folder}' is no folder")
    if not audited:
        yield "the verdict does not say which audits were run"
    found = {file.relative_to(folder).as_posix() for file in _audits_in(folder)}
    for name in sorted(found - audited.keys()):
        yield f"the audit '{folder / name}' was not run"
    for name, digest in sorted(audited.items()):
        file = folder / name
        if not file.is_file():
            yield f"'{name}' was run, and is not in '{folder}'"
        elif sha256(file) != digest:
            yield f"'{file}' is not what was run (its SHA-256 differs)"


def _audits_in(folder: Path) -> Iterator[Path]:
    """The files below the folder that pytest collects, by its own default for their names."""
    for file in folder.rglob("*.py"):
        if file.stem.startswith("test_") or file.stem.endswith("_test"):
            yield file


def _other_data(audited: Mapping[str, str], scenario: Path, folder: Path) -> Iterator[str]:
    """A sentence for each of the pictures that are others, when loaded and decoyed once more."""
    if not audited:
        yield "the verdict does not say which pictures were shown"
    material = Material(load_scenario(scenario, folder))
    for name in audited:
        try:
            _show(material, name)
        except (ShortcutAuditError, ValueError) as error:  # such as a size that is none
            yield f"the pictures cannot be compared: {error}"
            return
    found = material.digests()
    for name in sorted(audited):
        if found.get(name) != audited[name]:
            yield f"the pictures of {name} (name@pixels) are not those that were audited"


def _show(material: Material, name: str) -> None:
    """Makes what one of `Material.digests` is about.

    Its name is such as `validation@64`, `stop_sign@64,resize=72` or `stop_sign+1@64`.
    """
    shown, _, written = name.rpartition("@")
    size = InputSize.parse(written)
    decoy, _, strength = shown.rpartition("+")
    if shown in material.scenario.decoys:
        material.with_decoy(shown, "validation", size)
    elif decoy in material.scenario.decoys:
        material.varied(decoy, "validation", size, int(strength), None)
    else:
        material.pictures(shown, size)
