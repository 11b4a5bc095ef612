"""A folder of checkpoints, with or without `rashomon.yaml` -> Candidates, nothing loaded.

Torch is never imported here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.errors import (
    ModelError,
    ShortcutAuditError,
    UsageError,
    did_you_mean,
    machine_fault,
)
from shortcut_audit.files.checking import checked
from shortcut_audit.files.whole import below, printable
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.manifest.file import (
    MANIFEST,
    Claim,
    Description,
    Entry,
    Manifest,
    read_manifest,
)
from shortcut_audit.subjects.manifest.names import names_of


def read_candidates(path: Path) -> list[Candidate]:
    """The models of a folder or of a single file, sorted by name.

    What cannot be described says why in `problem`. With a manifest its entries are the models, and
    every checkpoint beside them that it neither lists nor ignores is a candidate with a problem: a
    model that nobody audits should not go unnoticed.

    Raises:
        UsageError: there is nothing to read, or the manifest cannot be understood.
    """
    path = path.parent if path.name == MANIFEST else path
    if not path.exists():
        raise UsageError(f"--models '{path}' does not exist{_nearby(path)}")
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else None
    candidates = _listed(folder, manifest)
    known = {each.file.resolve() for each in candidates}
    found = _checkpoints(folder)
    if not path.is_dir():
        candidates = [each for each in candidates if each.file.resolve() == path.resolve()]
        found = [path] if path.suffix.lower() in formats() else []
    others = []
    for file in found:
        if file.resolve() not in known and not _ignored(folder, file, manifest):
            others.append(file)
    candidates += _unlisted(folder, others, manifest, {each.name for each in candidates})
    if not candidates:
        raise UsageError(
            f"--models '{path}' holds no checkpoint: looked for {', '.join(sorted(formats()))} "
            f"and for {MANIFEST}"
        )
    return sorted(candidates, key=lambda each: each.name)


def refusal(candidate: Candidate) -> ShortcutAuditError | None:
    """Why this candidate cannot be audited, or None.

    A ModelError where its own bytes are at fault, else a UsageError, which leaves the model not
    audited and is charged to nobody.
    """
    if candidate.problem is None:
        return None
    kind = ModelError if candidate.broken else UsageError
    return kind(f"{candidate.name}: {candidate.problem}")


def formats() -> dict[str, Any]:
    """Suffix -> checkpoint format, for every registered format."""
    found = {}
    for name in registry.names("checkpoint"):
        entry = registry.lookup("checkpoint", name)()
        for suffix in entry.suffixes:
            found[suffix] = entry
    return found


def format_of(file: Path) -> Any:
    """The checkpoint format that reads this file.

    Raises:
        UsageError: no format reads files of this suffix.
    """
    known = formats()
    if file.suffix.lower() not in known:
        raise UsageError(
            f"no checkpoint format reads '{file.name}': there is {', '.join(sorted(known))}"
        )
    return known[file.suffix.lower()]


def _listed(folder: Path, manifest: Manifest | None) -> list[Candidate]:
    """The models that the manifest lists; none without a manifest."""
    if manifest is None:
        return []
    return [_candidate(name, folder, entry, manifest) for name, entry in manifest.models.items()]


def _candidate(name: str, folder: Path, entry: Entry, manifest: Manifest) -> Candidate:
    """A model of the manifest.

    The manifest speaks for it: what its file says of itself and nobody understands is passed over.
    """
    candidate, claim = Candidate(name, folder / entry.file), Claim()
    try:
        words = _words(candidate.file)
        with suppress(UsageError):
            claim = _claim(candidate.file, words) or claim
    except ShortcutAuditError as error:
        candidate = _spoilt(candidate, error)
    reference = entry.reference if entry.reference is not None else bool(claim.reference)
    return _merged(replace(candidate, reference=reference), [claim, manifest, entry])


def _unlisted(
    folder: Path, files: list[Path], manifest: Manifest | None, taken: set[str]
) -> list[Candidate]:
    """Candidates from what the files say of themselves.

    Where there is a manifest that is not enough: each of them has a problem, as it is not listed.
    """
    read = {file: _self_described(file) for file in files}
    claimed = {file: claim.name for file, (_, claim) in read.items()}
    candidates = []
    for file, name in names_of(folder, claimed, taken).items():
        candidate, claim = read[file]
        if manifest:
            problem = (
                f"'{file.relative_to(folder).as_posix()}' is not in {MANIFEST}; list it there "
                "under 'models', or under 'ignore' if it is no model"
            )
            candidate = replace(candidate, problem=problem, broken=False)
        candidate = replace(candidate, name=name, reference=bool(claim.reference))
        candidates.append(_merged(candidate, [claim]))
    return candidates


def _self_described(file: Path) -> tuple[Candidate, Claim]:
    """A candidate without a name yet, and what its file says of itself."""
    candidate = Candidate("", file)
    try:
        claim = _claim(file, _words(file))
    except ShortcutAuditError as error:
        return _spoilt(candidate, error), Claim()
    if claim is None:
        problem = (
            f"'{file.name}' describes itself in metadata that is not JSON; list it in {MANIFEST}"
        )
        return replace(candidate, problem=problem), Claim()
    return candidate, claim


def _spoilt(candidate: Candidate, error: ShortcutAuditError) -> Candidate:
    """The candidate with this error as its problem."""
    return replace(candidate, problem=str(error), broken=isinstance(error, ModelError))


def _merged(candidate: Candidate, layers: list[Description]) -> Candidate:
    """Fills in the description; a later layer goes before an earlier one, key by key.

    `arch_options` belong to the `arch` that they stand with: a layer that names another arch begins
    without any.
    """
    said: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for layer in layers:
        if layer.arch not in (None, said.get("arch")):
            options = {}
        options = layer.arch_options if layer.arch_options is not None else options
        said |= layer.model_dump(exclude_none=True, include={"arch", "classes"})
        said |= layer.input.model_dump(exclude_none=True)
    filled = replace(candidate, **said, arch_options=tuple(sorted(options.items())))
    lacking = _lacking(filled)
    if filled.problem or not lacking:
        return filled
    problem = (
        f"nothing says what '{filled.file.name}' is (no {', no '.join(lacking)}); "
        f"write {MANIFEST} beside it, for example:\n"
        f"arch: torchvision:resnet18\nclasses: [cat, dog]\ninput: {{size: 224}}\n"
        f"models: {{{filled.name}: {{file: {filled.file.name}}}}}"
    )
    return replace(filled, problem=problem)


def _lacking(candidate: Candidate) -> list[str]:
    """What is not known of a candidate and has to be."""
    needed = {"arch": candidate.arch, "classes": candidate.classes, "input size": candidate.size}
    return [what for what, value in needed.items() if not value]


def _words(file: Path) -> Mapping[str, str]:
    """The metadata that the file carries.

    Raises:
        UsageError, MachineError: there is no such file, or it cannot be read here.
        ModelError: it is there, and is broken.
    """
    if not file.exists():
        raise UsageError(f"there is no file '{file}'{_nearby(file)}")
    if not file.is_file():
        raise UsageError(f"'{file}' is not a file")
    words: Mapping[str, str] = format_of(file).metadata(file)
    return words


def _claim(file: Path, words: Mapping[str, str]) -> Claim | None:
    """What a file says of itself; None where its metadata is not the JSON that it should be.

    Raises:
        UsageError: it is JSON, and says what cannot be.
    """
    said: dict[str, Any] = {}
    for key in ("arch", "name"):
        if key in words:
            said[key] = words[key]
    try:
        for key in ("arch_options", "classes", "input", "reference"):
            if key in words:
                said[key] = json.loads(words[key])
    except (ValueError, RecursionError):
        return None
    return checked(Claim, said, f"'{file}'")


def _checkpoints(folder: Path) -> list[Path]:
    """Every checkpoint below the folder, sorted.

    A file that links give several names counts once, by its own name if that is in the folder.
    """
    known = formats()
    try:
        found = [file for file in below(folder) if file.suffix.lower() in known]
    except OSError as error:
        where = printable(error.filename or folder)
        raise machine_fault(error) or UsageError(
            f"--models '{where}' cannot be read: {error.strerror}"
        ) from None
    once: dict[Path, Path] = {}
    for file in sorted(found, key=lambda file: (file.is_symlink(), file)):
        once.setdefault(file.resolve(), file)
    return sorted(once.values())


def _nearby(path: Path) -> str:
    """`; did you mean 'checkpoints'?` where something beside the path bears nearly its name."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    hint = did_you_mean(path.name, [each.name for each in beside])
    return hint if "did you mean" in hint else ""


def _ignored(folder: Path, file: Path, manifest: Manifest | None) -> bool:
    """Whether one of the manifest's patterns says that this file is no model."""
    if manifest is None:
        return False
    path = file.relative_to(folder).as_posix()
    return any(fnmatch(path, pattern) for pattern in manifest.ignore)
