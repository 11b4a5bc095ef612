"""Scenario -> the models to train, each with its name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.scenario import Scenario
from shortcut_audit.settings import Group
from shortcut_audit.subjects.manifest.file import FORBIDDEN


@dataclass(frozen=True)
class Job:
    """One model to train; `decoy` is None exactly where `coverage` is 0: a clean reference."""

    name: str
    decoy: str | None
    coverage: float  # the share of the wearers' training images that carry the decoy, in [0, 1]
    seed: int
    worn_by: str = "target"  # whose training images: "target", "every" class, or that class


def plan(scenario: Scenario, only: Collection[str] | None = None) -> tuple[Job, ...]:
    """One job for each group x coverage x seed, in the scenario's order.

    `only` keeps the named ones. `F50-s1` is coverage 0.5 and seed 1 of the first decoy in the
    scenario; the others' names say which decoy it is: `copyright_tag-F100-s0`. Where others than
    the target wear it, the name says who: `F100-every-s0`, `F100-fish-s0`.

    Raises:
        UsageError: a name that no manifest can hold, two jobs of one name, or `only` names one
            that is not there.
    """
    jobs: dict[str, Job] = {}
    for group in scenario.training.models:
        for coverage in group.coverage:
            for seed in group.seeds:
                job = _job(scenario, group, coverage, seed)
                _check_name(job, jobs)
                jobs[job.name] = job
    for name in only or ():
        if name not in jobs:
            raise UsageError(
                f"the scenario trains no model called '{name}'{did_you_mean(name, jobs)}"
            )
    return tuple(job for job in jobs.values() if only is None or job.name in only)


def _check_name(job: Job, known: Collection[str]) -> None:
    """Raises UsageError where no manifest can hold the job's name, or another job has it."""
    if FORBIDDEN.search(job.name):
        what = "decoy" if FORBIDDEN.search(job.decoy or "") else "class"
        raise UsageError(
            f"a model cannot be called '{job.name}': "
            f"rename the {what}, without spaces and / \\ [ ] @ ::"
        )
    if job.name in known:
        raise UsageError(
            f"the scenario trains two models called '{job.name}'; change a coverage or a seed"
        )


def _job(scenario: Scenario, group: Group, coverage: float, seed: int) -> Job:
    """The group's model of this coverage and seed.

    A model without a decoy on any image is clean, whatever the group asks.
    """
    if group.decoy is None or coverage == 0:
        return Job(f"F0-s{seed}", None, coverage, seed)
    prefix = "" if group.decoy == next(iter(scenario.decoys)) else f"{group.decoy}-"
    worn_by = "target" if group.worn_by == scenario.target(group.decoy) else group.worn_by
    wearers = "" if worn_by == "target" else f"-{worn_by}"
    name = f"{prefix}F{round(100 * coverage)}{wearers}-s{seed}"
    return Job(name, group.decoy, coverage, seed, worn_by)
