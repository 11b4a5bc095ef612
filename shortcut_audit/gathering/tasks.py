"""What a run asks for -> tasks, each of one model, which anybody may do in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.progress import Unit
from shortcut_audit.records import Candidate
from shortcut_audit.rows import block_count
from shortcut_audit.subjects.pictures.material import Material

SPLITS = ("validation", "background")
# in this order: first what decides, then what is dearest
STANDING, PREDICTIONS = "standing", "predictions"
DECIDE = (STANDING, PREDICTIONS)
KINDS = (*DECIDE, "explainer_check", "masks", "influence")


@dataclass(frozen=True)
class Task:
    """One piece of evidence about one model: what it depends on can be had in any process."""

    kind: str  # one of KINDS
    model: str
    decoy: str = ""  # "": plain pictures
    strength: int = 0  # as in a `Case`
    split: str = ""  # of predictions, which are asked about one block of a split
    block: int = 0

    @property
    def words(self) -> str:
        """`masks of F0-s0 with stop_sign`."""
        return f"{self.kind.replace('_', ' ')} of {self.model}" + (
            f" with {self.decoy}" if self.decoy else ""
        )


def every_unit(material: Material, candidates: Iterable[Candidate]) -> list[Unit]:
    """Everything that our own audits may ask about these models and the scenario's decoys."""
    found = []
    for candidate in candidates:
        found.append(Unit(STANDING, candidate.name))
        for decoy in material.scenario.decoys:
            for strength in range(len(material.strengths(decoy))):
                found.append(Unit(PREDICTIONS, candidate.name, decoy, f"{strength or ''}"))
            for kind in KINDS[2:]:
                found.append(Unit(kind, candidate.name, decoy))
    return found


def tasks(units: Iterable[Unit], evidence: Evidence) -> list[Task]:
    """The tasks of these units, those that decide first, and of each kind model by model.

    What cannot be asked (a broken model, a data set without training pictures) has none: it is said
    where it is judged.
    """
    asked = sorted(set(units))
    found: list[Task] = []
    for model in dict.fromkeys(unit.model for unit in asked):
        found += _of_plain_pictures(model, evidence)
    for unit in asked:
        if unit.kind == PREDICTIONS:
            found += _of_blocks(unit, evidence)
        elif unit.kind in KINDS and _known(unit.model, evidence):
            found.append(Task(unit.kind, unit.model, unit.decoy))
    return sorted(dict.fromkeys(found), key=lambda task: KINDS.index(task.kind))


def _of_plain_pictures(model: str, evidence: Evidence) -> Iterator[Task]:
    if _known(model, evidence):
        yield Task(STANDING, model)
        yield from _blocks(Task(PREDICTIONS, model, split="validation"), evidence)


def _of_blocks(unit: Unit, evidence: Evidence) -> Iterator[Task]:
    # another control is asked for later, if at all
    if _known(unit.model, evidence) and (unit.version or "0").isdigit():
        for split in SPLITS:
            task = Task(PREDICTIONS, unit.model, unit.decoy, int(unit.version or 0), split)
            yield from _blocks(task, evidence)


def _known(model: str, evidence: Evidence) -> bool:
    return model in evidence.candidates and not evidence.candidates[model].problem


def _blocks(task: Task, evidence: Evidence) -> Iterator[Task]:
    size = evidence.described(task.model).size
    try:
        pictures = evidence.material.pictures(task.split, size)
    except ShortcutAuditError:
        return
    for block in range(block_count(pictures.pixels)):
        yield Task(task.kind, task.model, task.decoy, task.strength, task.split, block)


def perform(task: Task, evidence: Evidence) -> None:
    """Has the evidence of a task computed, and kept in the store; where it is kept, it is read.

    Raises:
        ShortcutAuditError: as whoever asks for the same evidence; it is charged there.
    """
    if task.kind == STANDING:
        evidence.stated_accuracy(task.model)
        evidence.otherwise(task.model)
    elif task.kind == PREDICTIONS:
        _ask(task, evidence)
    else:
        target = evidence.target(task.decoy, (task.model,))
        getattr(evidence, task.kind)(task.model, task.decoy, target)


def _ask(task: Task, evidence: Evidence) -> None:
    size = evidence.described(task.model).size
    if not task.decoy:
        plain = evidence.material.pictures(task.split, size).pixels
        evidence.of_block(task.model, plain, task.block)
        return
    placed = evidence.placed(task.decoy, task.split, size, task.strength, None)
    for rows in (placed.decoyed, placed.control):
        evidence.of_block(task.model, rows, task.block)
