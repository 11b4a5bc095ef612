"""Machines of a Ray cluster."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from shortcut_audit.errors import MachineError, UsageError
from shortcut_audit.evidence.asking import BATCH
from shortcut_audit.gathering.cluster import check, joined, on_each, workers_of
from shortcut_audit.gathering.placing import Parcel, PlacedData, Placing, Post
from shortcut_audit.gathering.site import Counted, Done, Site, attempted, evidence_at
from shortcut_audit.gathering.tasks import Task
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.registry import register

RETRIES = 3  # of a task whose process or machine died
PATIENCE = 10.0  # seconds between two looks at whether any machine is left
FAREWELL = 10.0  # seconds for the machines to tidy up
ROOM, COPIES, DEEP = 1 << 30, 3, 16  # bytes of a process; of a model; float32 of a pixel in a batch


@register("engine")
@dataclass(frozen=True)
class Ray:
    """Tasks on the machines of a Ray cluster, of one processor each.

    Models and pictures are put once and fetched by each machine that needs them, so that none of
    these needs a file of the run; all of them share the store.
    """

    address: str = ""  # of the cluster; else RAY_ADDRESS; else this machine alone
    workers: int = 0  # tasks at a time; 0: as many as the machines have room for
    gpus: float = 1.0  # of each task, where the run's device is a GPU; 0.25: four share one
    memory: float = 0.0  # GB of each task; 0: an estimate, which is no limit

    def __post_init__(self) -> None:
        """Raises UsageError for a number below 0."""
        for name in ("workers", "gpus", "memory"):
            if (asked := getattr(self, name)) < 0:
                raise UsageError(f"the engine 'ray' cannot have {name}: {asked}; ask for more")

    def run(self, tasks: Sequence[Task], site: Site) -> Iterator[Done]:
        """Each task as it is done, in no order."""
        if not tasks:
            return
        with joined(self.address, self.workers) as ray:
            check(ray, site)
            course = _Course(ray, self, site)
            try:
                yield from course.done(tasks)
            finally:
                course.end()


@dataclass(frozen=True)
class Run:
    """A run as its tasks name it: what is in it is fetched by a process's first task."""

    token: str
    parts: Any = field(compare=False)  # reference to a site and what its data set is called


class _Course:
    """The tasks of one run on a cluster."""

    def __init__(self, ray: Any, asked: Ray, site: Site) -> None:
        self._ray, self._asked, self._device = ray, asked, site.device.partition(":")[0]
        self._evidence: Counted = evidence_at(site)
        self._placing = Placing(self._evidence, ray.put)
        data = self._evidence.material.dataset
        named = PlacedData(self._evidence.material.classes, getattr(data, "wnids", {}))
        self._run = Run(site.token, ray.put((replace(site, device=self._device), named)))
        self._work = ray.remote(num_cpus=1, max_retries=RETRIES)(work)
        self._most = self._at_most()
        self._pending: dict[Any, Task] = {}

    def done(self, tasks: Sequence[Task]) -> Iterator[Done]:
        """Each as it ends; only so many are handed out ahead that no machine waits."""
        waiting = deque(tasks)
        while waiting or self._pending:
            while waiting and len(self._pending) < self._room():
                if failed := self._handed_out(waiting.popleft()):
                    yield failed
            if self._pending:
                yield from self._ended()

    def _ended(self) -> Iterator[Done]:
        ready, _ = self._ray.wait(list(self._pending), timeout=PATIENCE)
        if not ready and not workers_of(self._ray):
            raise MachineError(
                "no machine of the Ray cluster is left: what was finished is kept, and the same "
                "command goes on from there"
            )
        for reference in ready:
            yield self._answer(reference, self._pending.pop(reference))

    def _room(self) -> int:
        cores = int(self._ray.cluster_resources().get("CPU", 0))
        return self._asked.workers or 2 * cores + 1

    def _handed_out(self, task: Task) -> Done | None:
        """Hands a task out; gives what there is to say where its model cannot be read."""

        def place() -> None:
            parcel = self._placing.parcel(task)
            gpus = self._asked.gpus if self._device == "cuda" else 0
            work = self._work.options(memory=self._memory(task, parcel), num_gpus=gpus)
            self._pending[work.remote(self._run, task, parcel)] = task

        tried = attempted(task, place, self._evidence)
        return tried if tried.trouble or tried.refused else None

    def _memory(self, task: Task, parcel: Parcel) -> int:
        """Bytes that the task is taken to need: no more than the largest machine has."""
        if self._asked.memory:
            return min(int(self._asked.memory * 1e9), self._most)
        side = InputSize.of(self._evidence.described(task.model).size)
        batch = BATCH * side.height * side.width * 3 * 4 * DEEP
        return min(ROOM + COPIES * parcel.size + batch, self._most)

    def _at_most(self) -> int:
        """Bytes of the largest machine; a task that asks for more would wait for ever."""
        nodes = workers_of(self._ray)
        if self._device == "cuda":
            nodes = [node for node in nodes if node["Resources"].get("GPU", 0)]
        if not nodes:
            raise UsageError(
                "no machine of the Ray cluster has a GPU, and the run asks for one: add one, or "
                "name the device cpu"
            )
        return max(int(node["Resources"].get("memory", 0)) for node in nodes)

    def _answer(self, reference: Any, task: Task) -> Done:
        try:
            found: Done = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return Done(task, f"{task.words}: {_in_words(error)}")
        return found

    def end(self) -> None:
        """Stops what is still at work, and has each machine remove what was put there."""
        for reference in self._pending:
            self._ray.cancel(reference, force=True)
        gone = [reference for _, reference in on_each(self._ray, remove, self._run.token)]
        self._ray.wait(gone, num_returns=len(gone), timeout=FAREWELL)


def _in_words(error: Exception) -> str:
    kind = type(error).__name__
    if kind == "OutOfMemoryError":
        return "Ray killed it for memory each time: give it larger machines, or fewer workers"
    if kind in ("WorkerCrashedError", "NodeDiedError"):
        return f"its process or machine died each time, {RETRIES + 1} times in all"
    return f"{kind}: {str(error).strip().splitlines()[-1][:200]}"


# ---- on the machines ----


def work(run: Run, task: Task, parcel: Parcel) -> Done:
    """Performs a task, in a process that keeps models and pictures for the next ones."""
    import torch

    torch.set_num_threads(1)
    return _post(run).do(task, parcel)


@lru_cache(maxsize=1)
def _post(run: Run) -> Post:
    import ray

    site, named = ray.get(run.parts)
    return Post(site, named, _folder(run.token), ray.get)


def _folder(token: str) -> Path:
    """Of one machine and run: several nodes may be of one machine, as in tests."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    return Path(tempfile.gettempdir()) / f"shortcut-audit-{token}-{node[:12]}"


def remove(token: str) -> None:
    """Removes what a run has put on this machine."""
    shutil.rmtree(_folder(token), ignore_errors=True)
