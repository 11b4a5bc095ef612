"""What a worker needs to know: models, data, decoys and where evidence is kept."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from shortcut_audit.errors import MachineError, ShortcutAuditError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.gathering.tasks import Task, perform
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.pictures.material import Material


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

    def evidence(self, material: Material | None = None) -> Evidence:
        """The evidence of the run, in this process.

        material: pictures that are there already; None: they are read from the data set.
        """
        for file in self.conftests:
            _imported(file)
        return Evidence(
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


def done(task: Task, evidence: Evidence) -> Done:
    """Performs the task. What is wrong with model or data is said where it is judged."""
    trouble = ""
    try:
        perform(task, evidence)
    except MachineError as error:
        trouble = f"{task.words}: {error}"
    except ShortcutAuditError:
        pass
    return Done(task, trouble, tuple(evidence.store.problems))


def done_at(site: Site, task: Task) -> Done:
    """As `done`, in any process: models and pictures stay for its next tasks of the same run."""
    return done(task, _evidence(_Once(site)))


class _Once:
    """A site, told from others by its run."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def __hash__(self) -> int:
        return hash(self.site.token)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and other.site.token == self.site.token


@lru_cache(maxsize=1)
def _evidence(once: _Once) -> Evidence:
    return once.site.evidence()


def _imported(file: Path) -> None:
    """Has a conftest register its entries; once in each process."""
    name = f"shortcut_audit_conftest_{abs(hash(file))}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
