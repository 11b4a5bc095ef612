"""`shard.json`: what one shard of a run was about, which tests it ran and what they found.

`shortcut-audit merge` takes it. It is no verdict, and nothing that decides on a model reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shortcut_audit.errors import UsageError
from shortcut_audit.files.whole import replacing
from shortcut_audit.harness.course.inputs import Inputs
from shortcut_audit.harness.course.shards import OPTION, Shard, partition, read_shard
from shortcut_audit.reporting.record import from_row

NAME = "shard.json"
SUM = "sha256"  # its key in the file: over all the rest


@dataclass(frozen=True)
class Chosen:
    """The tests that a shard takes of all those that were asked for."""

    own: dict[str, int] = field(default_factory=dict)  # node id -> its place among all
    cases: tuple[str, ...] = ()  # those of its own that audit a model, so that they find something
    tests: int = 0  # in all shards
    digest: str = ""  # of the node ids in all shards


@dataclass(frozen=True)
class Ended:
    """A test that ran to its end: passed, failed, skipped, or error beside its own call."""

    outcome: str
    seconds: float
    why: str = ""  # it did not pass, in short
    said: str = ""  # and with its traceback
    findings: tuple[dict[str, Any], ...] = ()  # lines of the record


@dataclass(frozen=True)
class Part:
    """One shard's file. `unfinished`: why it did not come to its end, "" where it did."""

    shard: Shard
    unfinished: str
    inputs: Inputs
    chosen: Chosen = field(default_factory=Chosen)
    ended: dict[str, Ended] = field(default_factory=dict)  # node id -> its end
    observed: dict[str, Any] = field(default_factory=dict)  # as `Observed.handed_over` has it
    doubts: tuple[str, ...] = ()
    failed: bool = False  # whether pytest counted a failure, in a test or elsewhere


PARTS = TypeAdapter(Part)


def chosen(
    shard: Shard, models: Mapping[str, str], selected: Sequence[str], cases: Collection[str]
) -> Chosen:
    """A shard's own of the selected tests.

    Args:
        shard: whose.
        models: node id -> model, of every test that was collected.
        selected: the tests that are to be run in any of the shards, in their order.
        cases: those that audit a model.
    """
    shards = partition(models.values(), shard.of)
    own = {}
    for at, nodeid in enumerate(dict.fromkeys(selected)):
        if shards[models[nodeid]] == shard.number:
            own[nodeid] = at
    every = digest_of_tests(list(dict.fromkeys(selected)))
    return Chosen(own, tuple(sorted(own.keys() & set(cases))), len(set(selected)), every)


def shard_files(reports: Path, text: str) -> list[Path]:
    """Where an earlier run of the shard that is written so would have left its file."""
    try:
        return [read_shard(text).folder(reports) / NAME] if text else []
    except UsageError:
        return []  # which is said where the run is made


def digest_of_tests(nodeids: Sequence[str]) -> str:
    """SHA-256 over the tests' ids, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(nodeids)).encode()).hexdigest()


def write_part(path: Path, part: Part) -> None:
    """Writes the file in one piece; raises OSError where it cannot be."""
    content = PARTS.dump_python(part, mode="json")
    with replacing(path) as unfinished:
        whole = content | {SUM: _checksum(content)}
        unfinished.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def read_part(path: Path) -> Part:
    """What a shard wrote.

    Raises:
        UsageError: it cannot be read, or is not what was written.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop(SUM) != _checksum(content):
            raise ValueError("its checksum differs")
        part = PARTS.validate_python(content)
        if not part.unfinished and not _is_whole(part):
            raise ValueError("it lacks what a shard that ended has")
        return part
    except OSError as error:
        why = str(error.strerror)
    except (ValueError, KeyError, TypeError, AttributeError):
        why = "it is not what a shard wrote"
    raise UsageError(f"'{path}' cannot be read ({why}): run that shard again, with {OPTION}")


def _is_whole(part: Part) -> bool:
    """Whether each of its tests has an end, and all that was observed is there."""
    known = {"devices", "suite"} <= part.observed.keys() and "files" in part.observed["suite"]
    rows = chain.from_iterable(each.findings for each in part.ended.values())
    return known and part.chosen.own.keys() <= part.ended.keys() and all(map(from_row, rows))


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
