"""A folder of checkpoints, with or without `rashomon.yaml` -> Candidates, nothing loaded.

Torch is never imported here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from shortcut_audit.errors import (
    ModelError,
    ShortcutAuditError,
    UsageError,
    did_you_mean,
    machine_fault,
)
from shortcut_audit.files.checking import checked
from shortcut_audit.files.checkpoint_files import (
    HUB_WEIGHTS,
    TRAINING_STATE,
    files_of,
    format_of,
    is_checkpoint,
    suffixes,
    weights_in,
)
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
from shortcut_audit.subjects.manifest.hub import claim_of
from shortcut_audit.subjects.manifest.merging import merged
from shortcut_audit.subjects.manifest.names import names_of

PROGRAM = "program"  # the source of architectures that files are themselves
EXAMPLES = {  # what is not known of a model, and how a manifest says it
    "arch": "arch: torchvision:resnet18",
    "classes": "classes: [cat, dog]",
    "input size": "input: {size: 224}",
}


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
    path = path if (path / MANIFEST).exists() else weights_in(path)
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else None
    candidates = _listed(folder, manifest)
    known = {each.file.resolve() for each in candidates}
    found = _checkpoints(folder)
    if not path.is_dir():
        candidates = [each for each in candidates if each.file.resolve() == path.resolve()]
        found = [path] if is_checkpoint(path) else []
    others = []
    for file in found:
        if file.resolve() not in known and not _ignored(folder, file, manifest):
            others.append(file)
    candidates += _unlisted(folder, others, manifest, {each.name for each in candidates})
    if not candidates:
        raise UsageError(
            f"--models '{path}' holds no checkpoint: looked for {', '.join(suffixes())} "
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


def _listed(folder: Path, manifest: Manifest | None) -> list[Candidate]:
    """The models that the manifest lists; none without a manifest."""
    if manifest is None:
        return []
    return [_candidate(name, folder, entry, manifest) for name, entry in manifest.models.items()]


def _candidate(name: str, folder: Path, entry: Entry, manifest: Manifest) -> Candidate:
    """A model of the manifest.

    The manifest speaks for it: what its file says of itself and nobody understands is passed over.
    """
    candidate, claim = Candidate(name, weights_in(folder / entry.file)), Claim()
    try:
        words = _words(candidate.file)
        with suppress(UsageError):
            claim = _claim(candidate.file, words) or claim
    except ShortcutAuditError as error:
        candidate = _spoilt(candidate, error)
    reference = entry.reference if entry.reference is not None else bool(claim.reference)
    layers = [claim, manifest, entry, *_itself(claim)]
    return _merged(replace(candidate, reference=reference), layers, folder)


def _itself(claim: Claim) -> list[Description]:
    """What nothing else may say: a file that is the network itself has no other architecture."""
    if claim.arch is None or not claim.arch.startswith(f"{PROGRAM}:"):
        return []
    return [Claim(arch=claim.arch, arch_options={})]


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
        candidates.append(_merged(candidate, [claim], folder))
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


def _merged(candidate: Candidate, layers: list[Description], folder: Path) -> Candidate:
    """Fills in the description (see `merged`); what does not fit together is its problem."""
    try:
        filled = merged(candidate, layers)
    except ValueError as error:
        return candidate if candidate.problem else replace(candidate, problem=str(error))
    lacking = _lacking(filled)
    if filled.problem or not lacking:
        return filled
    example = "\n".join(EXAMPLES[what] for what in lacking)
    file = Path(os.path.relpath(filled.file, folder)).as_posix()
    where = "beside it" if file == filled.file.name else f"into '{printable(folder)}'"
    problem = (
        f"nothing says what '{filled.file.name}' is (no {', no '.join(lacking)}); "
        f"write {MANIFEST} {where}, for example:\n"
        f"{example}\nmodels: {{{filled.name}: {{file: {file}}}}}"
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
    said: dict[str, Any] = claim_of(file)
    for key in ("arch", "name"):
        if key in words:
            said[key] = words[key]
    try:
        for key in ("arch_options", "classes", "outputs", "input", "head", "reference"):
            if key in words:
                said[key] = json.loads(words[key])
    except (ValueError, RecursionError):
        return None
    return checked(Claim, said, f"'{file}'")


def _checkpoints(folder: Path) -> list[Path]:
    """Every checkpoint below the folder, sorted.

    A file that links give several names counts once, by its own name if that is in the folder;
    files that are parts of a model do not count.
    """
    try:
        found = [file for file in below(folder) if is_checkpoint(file)]
    except OSError as error:
        where = printable(error.filename or folder)
        raise machine_fault(error) or UsageError(
            f"--models '{where}' cannot be read: {error.strerror}"
        ) from None
    once: dict[tuple[Path, ...], Path] = {}
    parts = _parts(found)
    for file in sorted(found, key=lambda file: (file.is_symlink(), file)):
        if file.resolve() not in parts:
            once.setdefault(_resolved(file), file)
    return sorted(once.values())


def _parts(found: Iterable[Path]) -> set[Path]:
    """The files that are no model of their own: parts of others, and what a training run keeps."""
    parts: set[Path] = set()
    hubs = {file.parent for file in found if file.name in HUB_WEIGHTS}
    for file in found:
        parts.update(_resolved(file)[1:])
        if file.parent in hubs and file.name in TRAINING_STATE:
            parts.add(file.resolve())
    return parts


def _resolved(file: Path) -> tuple[Path, ...]:
    """The file and those that belong to it, without links; itself where it cannot say which."""
    try:
        return tuple(each.resolve() for each in files_of(file))
    except ShortcutAuditError:
        return (file.resolve(),)


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
