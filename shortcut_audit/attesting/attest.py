"""verdict.json + a checkpoint -> what can be signed of it, or nothing.

The same is looked for as at the gate. A statement says what was found, so that there is one of a
rejected model as well; that a model may be promoted says only its Simple Verification Result.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from shortcut_audit import __version__
from shortcut_audit.attesting.statement import (
    Attested,
    descriptor,
    read,
    test_result,
    verification_result,
)
from shortcut_audit.errors import UsageError
from shortcut_audit.files.sources import shipped_calibration
from shortcut_audit.files.whole import replacing, sha256
from shortcut_audit.gate.comparisons import Asked
from shortcut_audit.gate.examination import Answer, examine
from shortcut_audit.records import Decision
from shortcut_audit.subjects.manifest.file import FORBIDDEN

CALIBRATION = "calibration.json"  # how often the audits err


def attest(verdict: Path, asked: Asked, out: Path, now: date | None = None) -> Answer:
    """Writes the statements on a model to `out`, and says which, or why there is none.

    `NAME.test-result.json` is of every model, `NAME.svr.json` of one that is promoted.
    now: the day on which waivers must hold; None is today, in UTC.
    Laws: nothing is left of former statements on that model; the same verdict gives the same
    bytes.

    Raises:
        UsageError: as at the gate; the verdict does not say all that a statement needs; or `out`
            cannot be written.
    """
    files = _files(asked.model, out)
    with _writing_to(out):
        for file in files:
            file.unlink(missing_ok=True)
    found = examine(verdict, asked, now)
    if found.refusals:
        return Answer(False, tuple(f"refused: {each}" for each in found.refusals))
    attested = _read(verdict, asked.model, found.document)
    calibration = _calibration(attested)
    left_out = [calibration] if isinstance(calibration, str) else []
    if isinstance(calibration, Path):
        known = descriptor(CALIBRATION, sha256(calibration))
        attested = replace(attested, configuration=(*attested.configuration, known))
    with _writing_to(out):
        written = _write(attested, files)
    return Answer(True, (*written, *left_out, *found.not_compared))


@contextmanager
def _writing_to(out: Path) -> Iterator[None]:
    """Says in one sentence what keeps a file from being written."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write to '{out}': {error.strerror or error}; name another folder with --out"
        ) from None


def _files(model: str, out: Path) -> tuple[Path, Path]:
    """Where the statement on the tests goes, and that on what was verified."""
    name = FORBIDDEN.sub("-", model)
    return out / f"{name}.test-result.json", out / f"{name}.svr.json"


def _read(verdict: Path, model: str, document: dict[str, Any]) -> Attested:
    try:
        return read(model, document)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise UsageError(
            f"'{verdict}' does not say when, with what and by which findings {model} was judged, "
            "so that there is nothing to attest: run the audits again"
        ) from None


def _write(attested: Attested, files: tuple[Path, Path]) -> list[str]:
    """Writes the statements, and gives a line for each."""
    statements = [(files[0], test_result(attested))]
    if attested.decision is Decision.PROMOTE:
        statements.append((files[1], verification_result(attested)))
    for file, statement in statements:
        with replacing(file) as unfinished:
            text = json.dumps(statement, indent=1, sort_keys=True)
            unfinished.write_text(f"{text}\n", encoding="utf-8")
    result = statements[0][1]["predicate"]["result"]
    lines = [f"{files[0]}: {result}, for the verdict is {attested.decision.value}"]
    if len(statements) > 1:
        return [*lines, f"{files[1]}: it may be promoted"]
    return [*lines, f"no {files[1].name}, which is of a model that may be promoted"]


def _calibration(attested: Attested) -> Path | str:
    """The page that says how often the audits of that run err, or why it is left out."""
    if attested.version != __version__:
        return (
            f"left out: the calibration, for the run was made with version {attested.version} "
            f"and this is {__version__}"
        )
    return shipped_calibration() or f"left out: the calibration, for no {CALIBRATION} was installed"
