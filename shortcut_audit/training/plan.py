"""Scenario -> the models to train, each with its name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.manifest_file import FORBIDDEN


@dataclass(frozen=True)
class Job:
    """One model to train; `decoy` is None exactly where `coverage` is 0: a clean reference."""

    name: str
    decoy: str | None
    coverage: float  # the share of the decoy class's training images that carry the decoy, in [0, 1]
    seed: int


def plan(scenario: Scenario, only: Collection[str] | None = None) -> tuple[Job, ...]:
    """One job for each group x coverage x seed, in the scenario's order; `only` keeps the named ones.

    `F50-s1` is coverage 0.5 and seed 1 of the first decoy in the scenario; the others' names say which decoy it is:
    `copyright_tag-F100-s0`.

    Raises:
        UsageError: a name that no manifest can hold, two jobs of one name, or `only` names one that is not there.
    """
    jobs: dict[str, Job] = {}
    for group in scenario.training.models:
        for coverage in group.coverage:
            for seed in group.seeds:
                job = _job(scenario, group.decoy if coverage > 0 else None, coverage, seed)
                if FORBIDDEN.search(job.name):
                    raise UsageError(f"a model cannot be called '{job.name}': rename the decoy, without spaces and / \\ [ ] @ ::")
                if job.name in jobs:
                    raise UsageError(f"the scenario trains two models called '{job.name}'; change a coverage or a seed")
                jobs[job.name] = job
    for name in only or ():
        if name not in jobs:
            raise UsageError(f"the scenario trains no model called '{name}'{did_you_mean(name, jobs)}")
    return tuple(job for job in jobs.values() if only is None or job.name in only)


def _job(scenario: Scenario, decoy: str | None, coverage: float, seed: int) -> Job:
    prefix = "" if decoy in (None, next(iter(scenario.decoys), None)) else f"{decoy}-"
    return Job(f"{prefix}F{round(100 * coverage)}-s{seed}", decoy, coverage, seed)
