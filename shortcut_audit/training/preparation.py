"""Scenario -> what all models of a run share, and each model's files, recipe and what is there.

Nothing is trained here, and nothing is written.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from shortcut_audit.errors import DataError, ModelError, UsageError
from shortcut_audit.records import Candidate, Pictures
from shortcut_audit.scenario import Scenario
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.loading.device import chosen_device
from shortcut_audit.subjects.loading.networks import build_architecture
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.subjects.pictures.record import in_memory, of
from shortcut_audit.training.plan import Job
from shortcut_audit.training.wearing import wearers, with_decoy

State = dict[str, Any]  # what is kept of a model whose training was interrupted


@dataclass(frozen=True)
class TrainingRun:
    """What all models of a run share."""

    material: Material
    training: Pictures  # without any decoy
    validation: Pictures
    device: torch.device
    build: Callable[[int], nn.Module]  # number of classes -> a new network
    out: Path
    progress: bool
    bar: bool = True  # False where several processes train, and would draw over each other


@dataclass(frozen=True)
class PlannedModel:
    """A job with its files and its recipe: everything that the weights depend on, as JSON."""

    job: Job
    candidate: Candidate  # as the manifest will describe it
    recipe: str

    @property
    def partial(self) -> Path:
        """The state after the last whole epoch; hidden, and gone when the model is done."""
        return self.candidate.file.with_name(f".{self.job.name}.partial")


def prepared(
    scenario: Scenario,
    out: Path,
    jobs: Sequence[Job],
    progress: bool = True,
    trust_code: bool = False,
) -> TrainingRun:
    """Tries the jobs' decoys, then loads the pictures.

    Raises:
        UsageError: an impossible decoy or device, or a decoy worn by what is no class.
        DataError: a split has no picture of any class.
    """
    settings = scenario.training
    device = chosen_device(settings.device)
    material = Material(scenario)
    material.check(scenario.decoys)
    material.try_decoys({job.decoy for job in jobs if job.decoy}, settings.size)
    for job in jobs:
        wearers(material, job)
    training, validation = (
        _of_a_class(in_memory(material.pictures(split, settings.size)), split)
        for split in ("train", "validation")
    )
    build = partial(build_architecture, settings.arch, trust_code=trust_code, size=settings.size)
    return TrainingRun(material, training, validation, device, build, out, progress)


def _of_a_class(pictures: Pictures, split: str) -> Pictures:
    """Only the pictures that show one of the classes."""
    shown = np.flatnonzero(pictures.labels >= 0)
    if not len(shown):
        raise DataError(
            f"no picture of '{split}' shows any of {', '.join(pictures.classes)}: "
            "check the data set's path"
        )
    return pictures if len(shown) == len(pictures.labels) else of(pictures, shown)


def planned(
    run: TrainingRun, job: Job, blurred: Mapping[str, object] | None = None
) -> PlannedModel:
    """The job's files and recipe.

    `blurred` says what is no longer on its pictures; a model on such pictures is no reference.
    """
    settings = run.material.scenario.training
    candidate = Candidate(
        name=job.name,
        file=run.out / f"{job.name}.safetensors",
        arch=settings.arch,
        classes=run.training.classes,
        size=settings.size,
        mean=settings.mean,
        std=settings.std,
        reference=job.decoy is None and blurred is None,
    )
    return PlannedModel(job, candidate, json.dumps(_recipe(run, job, blurred), sort_keys=True))


def _recipe(run: TrainingRun, job: Job, blurred: Mapping[str, object] | None) -> State:
    """Everything that the weights depend on.

    What is as usual stands in no recipe, so that older checkpoints keep theirs.
    """
    scenario = run.material.scenario
    settings = scenario.training
    unused = {"models", "device", "diversify", "precision"}
    recipe = {
        **settings.model_dump(mode="json", exclude=unused),
        "pictures": run.training.digest,
        "decoy": repr(scenario.build_decoy(job.decoy)) if job.decoy else None,
        "coverage": job.coverage,
        "seed": job.seed,
    }
    if settings.precision != "auto":
        recipe["precision"] = settings.precision
    if job.worn_by != "target":
        recipe["worn_by"] = job.worn_by
    if blurred:
        recipe["blurred"] = blurred
    return recipe


def training_pictures(run: TrainingRun, model: PlannedModel) -> Pictures:
    """The run's training pictures with the model's decoy on those that wear it."""
    return with_decoy(run.material, run.training, model.job)


def is_finished(model: PlannedModel) -> bool:
    """Whether the model is there already.

    Raises:
        UsageError: its file is of another recipe or damaged.
    """
    file = model.candidate.file
    if not file.exists():
        return False
    try:
        _check_recipe(model, file, Safetensors().metadata(file).get("recipe", "{}"))
    except ModelError as error:
        raise UsageError(f"{error}; delete it or choose another --out") from None
    return True


def interrupted_state(model: PlannedModel) -> State | None:
    """What an interrupted run kept of the model; None where it kept nothing.

    Raises:
        UsageError: its file is of another recipe or damaged.
    """
    if not model.partial.exists():
        return None
    try:
        state: State = torch.load(model.partial, map_location="cpu", weights_only=True)
        found = state["recipe"]
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError):
        raise UsageError(
            f"cannot go on from '{model.partial}', which is damaged; "
            "delete it or choose another --out"
        ) from None
    _check_recipe(model, model.partial, found)
    return state


def _check_recipe(model: PlannedModel, file: Path, found: str) -> None:
    """Nothing of another recipe is overwritten or counted as this one."""
    if found == model.recipe:
        return
    there, asked = json.loads(found), json.loads(model.recipe)
    keys = [key for key in {**asked, **there} if there.get(key) != asked.get(key)]
    raise UsageError(
        f"'{file}' was trained by another recipe (other {', '.join(keys)}) than the scenario's: "
        "choose another --out or delete it"
    )
