"""Tasks -> evidence in the store, and what came of each task. The command and pytest use this."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from shortcut_audit import registry
from shortcut_audit.contracts import Engine
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.gathering.site import Done, Site
from shortcut_audit.gathering.tasks import Task, tasks
from shortcut_audit.progress import Progress, Unit, span


@dataclass(frozen=True)
class Gathered:
    """What came of the tasks of a run."""

    computed: int  # tasks, as all counts here
    kept: int  # everything that they ask for was in the store
    undone: tuple[str, ...]  # why, for want of the machine: whoever judges computes it again
    refused: tuple[str, ...]  # why, of a model, the data or a decoy: said where it is judged
    problems: tuple[str, ...]  # of the store; each sentence is there once
    seconds: float

    @property
    def whole(self) -> bool:
        """Whether the machines and the store did everything that they were asked."""
        return not (self.undone or self.problems)

    def words(self) -> str:
        """`evidence: 14 tasks computed, 3 were kept, 0 undone for want of the machine; 12 s`."""
        said = (
            f"evidence: {self.computed} tasks computed, {self.kept} were kept, "
            f"{len(self.undone)} undone for want of the machine"
        )
        if self.refused:
            said += f", {len(self.refused)} that models or data do not allow"
        return f"{said}; {span(self.seconds)}"


def engine_of(text: str, workers: int | None = None) -> Engine:
    """The engine of this name, with options behind it: `local`, `ray`, `ray,gpus=0.25`.

    workers: an option as well, where it is given.

    Raises:
        UsageError: there is no such engine, or it has no such option.
    """
    name, *written = text.split(",")
    options: dict[str, Any] = {} if workers is None else {"workers": workers}
    for each in written:
        option, _, value = each.partition("=")
        options[option] = yaml.safe_load(value)
    return registry.build("engine", name, options)


def ahead(
    engine: str, units: Collection[Unit], evidence: Evidence, conftests: Iterable[Path]
) -> set[str]:
    """Has an engine compute what a run will ask for; what it could not, in sentences.

    Raises:
        UsageError: as `engine_of` and `gather`.
    """
    site = Site(
        evidence.scenario,
        tuple(evidence.candidates.values()),
        evidence.store,
        evidence.device,
        evidence.trust_code,
        tuple(conftests),
    )
    found = gather(engine_of(engine), tasks(units, evidence), site, evidence.progress)
    return {*found.undone, *found.problems}


def gather(engine: Engine, asked: Sequence[Task], site: Site, report: Progress) -> Gathered:
    """Has the tasks done; `report` hears which was done last, how many are, and of how many.

    Raises:
        UsageError: the engine cannot work at all; says what to do.
    """
    begun, every = time.monotonic(), list[Done]()
    run: Any = engine.run(asked, site)
    report("evidence", 0, len(asked))
    with closing(run):  # so that its processes end here, whatever is raised
        for done in run:
            every.append(done)
            report(done.task.words, len(every), len(asked))
    return summed(every, time.monotonic() - begun)


def summed(every: Sequence[Done], seconds: float) -> Gathered:
    """What came of all tasks, in so many seconds."""
    undone = tuple(done.trouble for done in every if done.trouble)
    refused = tuple(done.refused for done in every if done.refused)
    problems = dict.fromkeys(chain.from_iterable(done.problems for done in every))
    fine = [done for done in every if not (done.trouble or done.refused)]
    computed = sum(done.computed > 0 for done in fine)
    return Gathered(computed, len(fine) - computed, undone, refused, tuple(problems), seconds)
