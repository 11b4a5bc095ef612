"""What a worker needs to know: models, data, decoys and where evidence is kept."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path
from uuid import uuid4

from shortcut_audit.errors import ShortcutAuditError, machine_fault
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.entries import Arrays
from shortcut_audit.files.store import Store
from shortcut_audit.gathering.tasks import Task, perform
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.pictures.material import Material


class Counted(Evidence):
    """Evidence that counts how many entries it computed, as they were not kept."""

    computed = 0

    def stored(
        self, kind: str, model: str, key: dict[str, object], compute: Callable[[], Arrays]
    ) -> Arrays:
        """As `Answers.stored`."""

        def counted() -> Arrays:
            self.computed += 1
            return compute()

        return super().stored(kind, model, key, counted)


@dataclass(frozen=True)
class Site:
    """A run, as another process can take it up. It is pickled."""

    scenario: Scenario
    candidates: tuple[Candidate, ...]
    store: Store
    device: str = "cpu"
    trust_code: bool = False
    conftests: tuple[Path, ...] = ()  # files that register entries of the user's own
    token: str = field(default_factory=lambda: uuid4().hex)  # of this very run

    def evidence(self, material: Material | None = None) -> Counted:
        """The evidence of the run, in this process.

        material: pictures that are there already; None: they are read from the data set.
        """
        for file in self.conftests:
            _imported(file)
        return Counted(
            self.scenario,
            self.candidates,
            self.store,
            self.device,
            self.trust_code,
            pictures=material,
        )


@dataclass(frozen=True)
class Done:
    """A task that was tried."""

    task: Task
    trouble: str = ""  # the machine's, in one sentence: whoever judges computes it again
    problems: tuple[str, ...] = ()  # what could not be kept
    computed: int = 0  # entries that were not kept; 0: all of them were
    refused: str = ""  # what is wrong with the model or the data: it is said where that is judged


def attempted(task: Task, work: Callable[[], None], evidence: Counted) -> Done:
    """What becomes of a task by this work, which uses this evidence."""
    before, trouble, refused = evidence.computed, "", ""
    try:
        work()
    except Exception as error:  # a user's own explainer may raise anything
        if fault := machine_fault(error):
            trouble = f"{task.words}: {fault}"
        else:
            refused = in_one_line(error)
    return Done(task, trouble, tuple(evidence.store.problems), evidence.computed - before, refused)


def in_one_line(error: Exception) -> str:
    """What an error says; one that is not ours with its kind."""
    kind = "" if isinstance(error, ShortcutAuditError) else f"{type(error).__name__}: "
    return f"{kind}{' '.join(str(error).split())}"


def done(task: Task, evidence: Counted) -> Done:
    """Performs the task. What is wrong with model or data is said where it is judged."""
    return attempted(task, partial(perform, task, evidence), evidence)


def done_at(site: Site, task: Task) -> Done:
    """As `done`, in any process: models and pictures stay for its next tasks of the same run."""
    return done(task, evidence_at(site))


def evidence_at(site: Site) -> Counted:
    """The run's evidence in this process, made once."""
    return _evidence(_Once(site))


class _Once:
    """A site, told from others by its run."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def __hash__(self) -> int:
        return hash(self.site.token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and other.site.token == self.site.token


@lru_cache(maxsize=1)
def _evidence(once: _Once) -> Counted:
    return once.site.evidence()


@cache
def _imported(file: Path) -> None:
    """Has a conftest register its entries, once in each process.

    It gets the name that pytest gives it, for that is part of the digest of its code.
    """
    name, folder = _module_of(file)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(name, file)
    there = getattr(sys.modules.get(name), "__file__", None)
    if spec is not None and spec.loader is not None and there != str(file):
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


def _module_of(file: Path) -> tuple[str, Path]:
    """The name of a module, in its packages if it is in any, and the folder that they start in."""
    name, folder = file.stem, file.parent
    while (folder / "__init__.py").is_file():
        name, folder = f"{folder.name}.{name}", folder.parent
    return name, folder
