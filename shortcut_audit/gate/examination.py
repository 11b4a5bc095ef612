"""verdict.json + a checkpoint -> may it be promoted?

Nothing passes that the verdict does not speak of, or that changed since. A verdict speaks of one
file, read in one way, by these audits, under this scenario, on these pictures. The file and how
the manifest reads it are always compared; scenario, audits and pictures where they are named, and
what is not compared is printed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.files.checkpoint_files import (
    digest_of,
    files_of,
    is_checkpoint,
    weights_in,
)
from shortcut_audit.gate.comparisons import Asked, Document, decided_otherwise, other_than_asked
from shortcut_audit.gate.reading import read_now, read_otherwise
from shortcut_audit.promotion import PROMOTED, contradiction, excused
from shortcut_audit.reporting.record import from_row
from shortcut_audit.waivers import expired, today

ENDED = (0, 1)  # exit codes of a run that came to its end
NEEDED = {"verdict", "sentence", "sha256", "file"}  # keys of each model in a verdict file


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
    file = weights_in(asked.file or Path(row["file"]))
    if not file.is_file():
        raise UsageError(f"the checkpoint '{file}' is not there; name it with --file")
    refusals = [
        *_refusals(row, file, asked.model, now or today()),
        *other_than_asked(document, asked),
    ]
    refusals = refusals or list(decided_otherwise(row, asked))
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
    if digest_of(file) != row["sha256"]:
        yield f"'{file}' is not the checkpoint that was audited as {model} ({_differs(file)})"
        return
    audited = row.get("read_as")
    if audited is not None and not isinstance(audited, dict):
        yield "the verdict file does not say how the checkpoint was read"
        return
    if audited is not None:
        yield from read_otherwise(audited, file, model)
    if "findings" in row:
        yield from _of_findings(row, now)


def _differs(file: Path) -> str:
    """That the digest is another one, and of which files it is where they are several."""
    own = files_of(file) if is_checkpoint(file) else (file,)
    if len(own) == 1:
        return "its SHA-256 differs"
    return f"the SHA-256 over {', '.join(sorted(each.name for each in own))} differs"


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


def _not_compared(
    document: Document, row: Mapping[str, Any], file: Path, asked: Asked
) -> Iterator[str]:
    """A line for the log on each thing that was not compared with what was audited."""
    audited = row.get("read_as") or {}
    found = read_now(file, asked.model)
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
