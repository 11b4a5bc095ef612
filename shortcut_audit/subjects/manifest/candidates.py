"""A folder of checkpoints, with or without `rashomon.yaml` -> Candidates, nothing loaded. Torch is
never imported here.
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

from filelock import FileLock

from shortcut_audit import registry
from shortcut_audit.errors import (
    ModelError,
    ShortcutAuditError,
    UsageError,
    did_you_mean,
    machine_fault,
)
from shortcut_audit.files.checking import checked
from shortcut_audit.files.sources import source_of_module
from shortcut_audit.files.whole import below, canonical, printable, replacing
from shortcut_audit.files.yaml_files import dumped
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.manifest.file import (
    FORBIDDEN,
    MANIFEST,
    Claim,
    Description,
    Entry,
    Manifest,
    manifest_content,
    read_manifest,
)


def read_candidates(path: Path) -> list[Candidate]:
    """The models of a folder or of a single file, sorted by name; what cannot be described says why
    in `problem`.

    With a manifest its entries are the models, and every checkpoint beside them that it neither
    lists nor ignores is a candidate with a problem: a model that nobody audits should not go
    unnoticed.

    Raises:
        UsageError: there is nothing to read, or the manifest cannot be understood.
    """
    path = path.parent if path.name == MANIFEST else path
    if not path.exists():
        raise UsageError(f"--models '{path}' does not exist{_nearby(path)}")
    folder = path if path.is_dir() else path.parent
    manifest = read_manifest(folder / MANIFEST) if (folder / MANIFEST).exists() else None
    candidates = (
        [_candidate(name, folder, entry, manifest) for name, entry in manifest.models.items()]
        if manifest
        else []
    )
    listed = {each.file.resolve() for each in candidates}
    found = _checkpoints(folder)
    if not path.is_dir():
        candidates = [each for each in candidates if each.file.resolve() == path.resolve()]
        found = [path] if path.suffix.lower() in formats() else []
    others = [
        file
        for file in found
        if file.resolve() not in listed and not _ignored(folder, file, manifest)
    ]
    candidates += _unlisted(folder, others, manifest, {each.name for each in candidates})
    if not candidates:
        raise UsageError(
            f"--models '{path}' holds no checkpoint: looked for {', '.join(sorted(formats()))} and for {MANIFEST}"
        )
    return sorted(candidates, key=lambda each: each.name)


def refusal(candidate: Candidate) -> ShortcutAuditError | None:
    """Why this candidate cannot be audited, or None: ModelError where its own bytes are at fault,
    else UsageError.

    A UsageError leaves the model not audited; it is charged to nobody.
    """
    if candidate.problem is None:
        return None
    kind = ModelError if candidate.broken else UsageError
    return kind(f"{candidate.name}: {candidate.problem}")


def write_manifest(folder: Path, candidates: Iterable[Candidate]) -> Path:
    """Adds these models to the folder's `rashomon.yaml`, or replaces those of the same names; whole
    or not at all.

    What a model shares with the manifest's top is written once. Law: `read_candidates` gives the
    same candidates back.

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
            described = _described(candidate)
            content = content or {**described, "models": {}}
            file = Path(os.path.relpath(candidate.file, folder)).as_posix()
            options = described.pop("arch_options", {})
            own = {key: value for key, value in described.items() if value != content.get(key)}
            if options != ({} if "arch" in own else content.get("arch_options", {})):
                own["arch_options"] = options
            content["models"][candidate.name] = {
                "file": file,
                **own,
                **({"reference": True} if candidate.reference else {}),
            }
        checked(Manifest, content, f"'{path}'")
        with replacing(path) as unfinished:
            unfinished.write_text(dumped(content), encoding="utf-8")
    return path


def describe(candidate: Candidate) -> dict[str, str]:
    """The metadata that makes a checkpoint self-describing, as `read_candidates` understands it."""
    words = {"name": candidate.name, "reference": candidate.reference, **_described(candidate)}
    return {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in words.items()
    }


def read_as(candidate: Candidate) -> dict[str, Any]:
    """How a file is read, as plain values: architecture, its options, classes, input, and a
    factory's own source.

    Another function has other values. `code` is "" where the factory's module is not to be found.
    """
    source = candidate.arch.partition(":")[0]
    own = {} if source in registry.names("architecture") else {"code": source_of_module(source)}
    described: dict[str, Any] = json.loads(json.dumps({**_described(candidate), **own}))
    return described


def formats() -> dict[str, Any]:
    """Suffix -> checkpoint format, for every registered format."""
    entries = [registry.lookup("checkpoint", name)() for name in registry.names("checkpoint")]
    return {suffix: entry for entry in entries for suffix in entry.suffixes}


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


def _described(candidate: Candidate) -> dict[str, Any]:
    options = {name: _listed(value) for name, value in candidate.arch_options}
    normalisation = {
        "size": candidate.size,
        "mean": list(candidate.mean),
        "std": list(candidate.std),
    }
    described = {"arch": candidate.arch, "classes": list(candidate.classes), "input": normalisation}
    return {**described, "arch_options": options} if options else described


def _listed(value: Any) -> Any:
    """An option with lists in place of tuples, as YAML and JSON write them."""
    return [_listed(each) for each in value] if isinstance(value, tuple) else value


def _candidate(name: str, folder: Path, entry: Entry, manifest: Manifest) -> Candidate:
    """A model of the manifest; what its file says of itself and nobody understands is left alone,
    for the manifest speaks.
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
    """Candidates from what the files say of themselves, which is not enough where a manifest leaves
    them out.
    """
    read = {file: _self_described(file) for file in files}
    candidates = []
    for file, name in _names(
        folder, {file: claim.name for file, (_, claim) in read.items()}, taken
    ).items():
        candidate, claim = read[file]
        if manifest:
            relative = file.relative_to(folder).as_posix()
            problem = f"'{relative}' is not in {MANIFEST}; list it there under 'models', or under 'ignore' if it is no model"
            candidate = replace(candidate, problem=problem, broken=False)
        candidates.append(
            _merged(replace(candidate, name=name, reference=bool(claim.reference)), [claim])
        )
    return candidates


def _self_described(file: Path) -> tuple[Candidate, Claim]:
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
    lacking = [
        key
        for key, value in (
            ("arch", filled.arch),
            ("classes", filled.classes),
            ("input size", filled.size),
        )
        if not value
    ]
    if filled.problem or not lacking:
        return filled
    problem = (
        f"nothing says what '{filled.file.name}' is (no {', no '.join(lacking)}); write {MANIFEST} beside it, for example:\n"
        f"arch: torchvision:resnet18\nclasses: [cat, dog]\ninput: {{size: 224}}\n"
        f"models: {{{filled.name}: {{file: {filled.file.name}}}}}"
    )
    return replace(filled, problem=problem)


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
    text = {key: words[key] for key in ("arch", "name") if key in words}
    try:
        other = {
            key: json.loads(words[key])
            for key in ("arch_options", "classes", "input", "reference")
            if key in words
        }
    except (ValueError, RecursionError):
        return None
    return checked(Claim, text | other, f"'{file}'")


def _names(folder: Path, claimed: Mapping[Path, str | None], taken: set[str]) -> dict[Path, str]:
    """A name for each file: what it calls itself or its stem, or as much of its path as makes it
    unlike the others.
    """
    ladders = {}
    for file, name in claimed.items():
        path = file.relative_to(folder)
        rungs = (name or path.stem, path.stem, path.with_suffix("").as_posix(), path.as_posix())
        ladders[file] = [FORBIDDEN.sub("-", canonical(rung)) for rung in rungs]
    used = set(taken)
    names = {}
    for file, ladder in ladders.items():
        others = {rung for other, rungs in ladders.items() if other != file for rung in rungs}
        free = [rung for rung in ladder if rung not in used | others] or [
            f"{ladder[-1]}-{len(used)}"
        ]
        names[file] = free[0]
        used.add(free[0])
    return names


def _checkpoints(folder: Path) -> list[Path]:
    """Every checkpoint below the folder, sorted. A file that links give several names counts once,
    by its own if that is here.
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
    hint = did_you_mean(
        path.name, [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    )
    return hint if "did you mean" in hint else ""


def _ignored(folder: Path, file: Path, manifest: Manifest | None) -> bool:
    return manifest is not None and any(
        fnmatch(file.relative_to(folder).as_posix(), each) for each in manifest.ignore
    )
