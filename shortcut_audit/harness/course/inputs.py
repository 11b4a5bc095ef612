"""How a run was called and what it reads, in plain values: its shards are put together by it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit import registry
from shortcut_audit.files.checkpoint_files import digest_if_there
from shortcut_audit.files.sources import our_code
from shortcut_audit.harness.plan import Settings
from shortcut_audit.records import Candidate
from shortcut_audit.reporting.assembly import provenance
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest.descriptions import read_as


@dataclass(frozen=True)
class Call:
    """How a run was called, and which reporters were known to it."""

    models: str
    scenario: str
    data: str  # "": as the scenario says
    store: str  # of evidence; "": in the folder of the reports
    trust_code: bool
    reporting: dict[str, str | bool]  # options of the reporters
    command: str
    reporters: tuple[str, ...]


@dataclass(frozen=True)
class Inputs:
    """What shards must have in common. `read`: what a run reads -> its digest or version."""

    call: Call
    read: dict[str, str]


def called(models: Path, scenario: Path, settings: Settings) -> Call:
    """The call of a run with these settings."""
    return Call(
        models=str(models),
        scenario=str(scenario),
        data=str(settings.data or ""),
        store=settings.store,
        trust_code=settings.trust_code,
        reporting=dict(settings.reporting),
        command=settings.command,
        reporters=tuple(registry.names("reporter")),
    )


def settings_of(call: Call, device: str, then: str) -> Settings:
    """The settings of the whole run, on this device; `then`: the command that goes on with it."""
    return Settings(
        data=Path(call.data) if call.data else None,
        store=call.store,
        device=device,
        trust_code=call.trust_code,
        reporting=call.reporting,
        command=f"{call.command}; {then}",
    )


def digests(scenario: Scenario, candidates: Iterable[Candidate]) -> dict[str, str]:
    """What a run reads -> its digest or version, for the parts of a run to be held against.

    Of a model its file's bytes and how they are read: also of one that another shard audits, for
    models are compared with each other.
    """
    found = {"scenario": scenario.digest}
    for package, number in provenance()["packages"].items():
        found[f"version of {package}"] = number
    # shards judge, too: all rooms count
    found["code of shortcut-audit"] = our_code(("",))
    for each in candidates:
        read = {} if each.problem else read_as(each)
        words = json.dumps([repr(each), read, digest_if_there(each.file)], sort_keys=True)
        found[f"model {each.name}"] = hashlib.sha256(words.encode()).hexdigest()
    return found
