"""verdict.json + a checkpoint -> may it be promoted?

Nothing passes that the verdict does not speak of, or that changed since. A verdict speaks of one
file, read in one way, by these audits, under this scenario, on these pictures. The file and how
the manifest reads it are always compared; scenario, audits and pictures where they are named, and
what is not compared is printed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from shortcut_audit.errors import ShortcutAuditError, UsageError, did_you_mean
from shortcut_audit.files.whole import sha256
from shortcut_audit.promotion import PROMOTED, contradiction, decided_again, excused
from shortcut_audit.reporting.record import from_row
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.manifest.descriptions import read_as
from shortcut_audit.subjects.manifest.file import MANIFEST
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.waivers import expired, today

ENDED = (0, 1)  # exit codes of a run that came to its end
NEEDED = {"verdict", "sentence", "sha256", "file"}  # keys of each model in a verdict file

Document = dict[str, Any]  # a verdict file


@dataclass(frozen=True)
class Asked:
    """What the gate is asked to hold the verdict against; None is not compared."""

    model: str
    file: Path | None = None  # the checkpoint; None: where it was when it was audited
    scenario: Path | None = None
    audits: Path | None = None
    data: Path | None = None  # where the data set's paths start; needs `scenario`


@dataclass(frozen=True)
class Answer:
    """Whether the model may be promoted, and the lines that say why."""

    passes: bool
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Examined:
    """A verdict file and what it says of one model, held against what was asked.

    `refusals`: a sentence for each reason not to rely on it; where there is one, nothing may be
    built on the rest. `not_compared`: a line for each thing that was not held against it.
    """

    document: Document
    row: Mapping[str, Any]  # of the model
    refusals: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()


def gate(verdict: Path, asked: Asked, now: date | None = None) -> Answer:
    """Whether this very checkpoint may be promoted; raises as `examine` does."""
    found = examine(verdict, asked, now)
    if found.refusals:
        return Answer(False, tuple(f"refused: {each}" for each in found.refusals))
    said = f"{found.row['verdict']}: {found.row['sentence']}"
    return Answer(found.row["verdict"] in PROMOTED, (said, *found.not_compared))


def examine(verdict: Path, asked: Asked, now: date | None = None) -> Examined:
    """What a verdict file says of a model, and whether that can be relied on.

    now: the day on which waivers must hold; None is today, in UTC.

    Raises:
        UsageError: the verdict, the model or the checkpoint is not there, or what is to be
            compared cannot be read.
    """
    document = _document(verdict)
    if unfinished := _unfinished(document):
        return Examined(document, {}, (unfinished,))
    models = document["models"]
    if asked.model not in models:
        hint = did_you_mean(asked.model, models)
        raise UsageError(
            f"'{verdict}' has no verdict on '{asked.model}'{hint} "
            "(its run did not audit that model)"
        )
    row = models[asked.model]
    file = asked.file or Path(row["file"])
    if not file.is_file():
        raise UsageError(f"the checkpoint '{file}' is not there; name it with --file")
    refusals = [
        *_refusals(row, file, asked.model, now or today()),
        *_other_than_asked(document, asked),
    ]
    refusals = refusals or list(_decided_otherwise(row, asked))
    if refusals:
        return Examined(document, row, tuple(refusals))
    return Examined(document, row, (), tuple(_not_compared(document, row, file, asked)))


def _unfinished(document: Document) -> str:
    """Why the document is no verdict, whatever it says of its models; "" where it is one.

    A document without a schema is somebody's own, and need not say that its run was finished.
    """
    if "schema" in document and document.get("finished", None) is None:
        return (
            "this verdict was written by an older version, which did not prove what it says; "
            "run the audits again"
        )
    if document.get("finished", True) is not True or document.get("exit_code", 0) not in ENDED:
        return "the run that wrote this verdict did not come to its end; run the audits again"
    return ""


def _document(path: Path) -> Document:
    """What the verdict file holds, once it is known to have what is read of it here."""
    try:
        document: Document = json.loads(path.read_text(encoding="utf-8"))
        needed = NEEDED | ({"findings"} if "schema" in document else set())
        for name, row in document["models"].items():
            if not row.keys() >= needed or not isinstance(row["file"], str):
                raise KeyError(name)
        for part in ("scenario", "suite", "data"):
            if not isinstance(document.get(part, {}), dict):
                raise KeyError(part)
    except OSError as error:
        raise UsageError(
            f"cannot read '{path}': {error.strerror}; a missing report is a failed gate"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(
            f"'{path}' is no verdict file; run `pytest audits/ --models DIR` again"
        ) from None
    return document


def _refusals(row: Mapping[str, Any], file: Path, model: str, now: date) -> Iterator[str]:
    """A sentence for each reason against the file, of those that are always looked for.

    The file is the one that was audited, is read as it was, and nothing contradicts the verdict;
    and waivers that it hangs on hold today.
    """
    if sha256(file) != row["sha256"]:
        yield f"'{file}' is not the checkpoint that was audited as {model} (its SHA-256 differs)"
        return
    audited = row.get("read_as")
    if audited is not None and not isinstance(audited, dict):
        yield "the verdict file does not say how the checkpoint was read"
        return
    if audited is not None:
        yield from _read_otherwise(audited, file, model)
    if "findings" in row:
        yield from _of_findings(row, now)


def _read_otherwise(audited: dict[str, Any], file: Path, model: str) -> Iterator[str]:
    """A sentence where the checkpoint is read otherwise than it was audited."""
    found = _read_as(file, model)
    if found is None:
        return
    if found.get("code") == "":  # not to be found here: see `_not_compared`
        found = {**found, "code": audited.get("code")}
        if "code" not in audited:
            del found["code"]
    if audited == found:
        return
    keys = sorted(found.keys() | audited.keys())
    other = [key for key in keys if found.get(key) != audited.get(key)]
    yield (
        f"'{file}' is read otherwise now than it was audited "
        f"({', '.join(other) or 'not at all'}; see {MANIFEST} beside it): audit it again"
    )


def _read_as(file: Path, model: str) -> dict[str, Any] | None:
    """How the manifest beside the file has this model read, or else the file itself.

    None where nothing says how. A manifest that does not list the file under any name says that
    it is not read at all: {}.
    """
    listed = (file.parent / MANIFEST).exists()
    try:
        candidates = read_candidates(file.parent if listed else file)
    except UsageError as error:
        if listed:
            raise UsageError(f"how '{file}' is to be read is not known: {error}") from None
        return None
    described = None
    for each in candidates:
        if each.problem or each.file.resolve() != file.resolve():
            continue
        if each.name == model:
            return read_as(each)
        described = described or each
    if described is not None:
        return read_as(described)
    return {} if listed else None


def _of_findings(row: Mapping[str, Any], now: date) -> Iterator[str]:
    """A sentence where findings and verdict cannot both be true, or a waiver does not hold now."""
    try:
        findings = [from_row(each) for each in row["findings"]]
    except (KeyError, TypeError, ValueError):
        yield "the verdict file contradicts itself: its findings cannot be read"
        return
    why = contradiction(row["verdict"], findings)
    if not why and any(each.sha256 and row["sha256"] not in each.sha256 for each in findings):
        why = "its findings are about another file"
    if why:
        yield f"the verdict file contradicts itself: {why}"
    elif row["verdict"] in PROMOTED:
        yield from expired(excused(findings), now)


def _other_than_asked(document: Document, asked: Asked) -> Iterator[str]:
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


def _decided_otherwise(row: Mapping[str, Any], asked: Asked) -> Iterator[str]:
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
        except ShortcutAuditError as error:
            yield f"the pictures cannot be compared: {error}"
            return
    found = material.digests()
    for name in sorted(audited):
        if found.get(name) != audited[name]:
            yield f"the pictures of {name} (name@pixels) are not those that were audited"


def _show(material: Material, name: str) -> None:
    """Makes what one of `Material.digests` is about.

    Its name is such as `validation@64`, `stop_sign@64` or `stop_sign+1@64`.
    """
    shown, _, size = name.rpartition("@")
    decoy, _, strength = shown.rpartition("+")
    if shown in material.scenario.decoys:
        material.with_decoy(shown, "validation", int(size))
    elif decoy in material.scenario.decoys:
        material.varied(decoy, "validation", int(size), int(strength), None)
    else:
        material.pictures(shown, int(size))


def _not_compared(
    document: Document, row: Mapping[str, Any], file: Path, asked: Asked
) -> Iterator[str]:
    """A line for the log on each thing that was not compared with what was audited."""
    audited = row.get("read_as") or {}
    found = _read_as(file, asked.model)
    if audited and found is None:
        yield (
            f"not compared: how '{file}' is read "
            f"(it was audited as {audited.get('arch')}, {audited.get('input')})"
        )
    if found is not None and found.get("code") == "":
        yield (
            f"not compared: the code of {audited.get('arch')}, "
            "which is not to be found here (see PYTHONPATH)"
        )
    if asked.scenario is None:
        path = document.get("scenario", {}).get("path")
        yield (f"not compared: the scenario, audited was '{path}' (--scenario FILE compares it)")
    if asked.audits is None:
        digest = str(document.get("suite", {}).get("digest"))
        yield (
            f"not compared: the audits, run were those of SHA-256 {digest[:12]} "
            "(--audits DIR compares them)"
        )
    if asked.data is None:
        pictures = _pictures(document.get("data", {}))
        yield f"not compared: the pictures{pictures} (--scenario FILE --data DIR compares them)"


def _pictures(audited: Mapping[str, str]) -> str:
    """The pictures that were audited, each with the start of its digest."""
    names = [f"{name} {digest[:12]}" for name, digest in sorted(audited.items())]
    return f", audited were {', '.join(names)}" if names else ""
