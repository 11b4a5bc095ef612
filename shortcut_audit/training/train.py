"""Scenario -> a folder of checkpoints and its manifest.

A run that was killed goes on where it stopped.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tqdm import tqdm

from shortcut_audit.errors import ModelError, UsageError, advice_on_room
from shortcut_audit.files.whole import replacing
from shortcut_audit.records import Pictures
from shortcut_audit.scenario import Scenario
from shortcut_audit.settings import Training
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.manifest.descriptions import describe, write_manifest
from shortcut_audit.training.fit import Epoch, Task, batches, fit
from shortcut_audit.training.plan import Job, plan
from shortcut_audit.training.preparation import (
    PlannedModel,
    State,
    TrainingRun,
    interrupted_state,
    is_finished,
    planned,
    prepared,
    training_pictures,
)

SELDOM = 30  # seconds between two lines in a log


def train(
    scenario: Scenario,
    out: Path,
    progress: bool = True,
    only: Collection[str] | None = None,
    trust_code: bool = False,
) -> None:
    """Trains the scenario's models (or those named in `only`) into the folder `out`.

    Each is one `NAME.safetensors`, and `rashomon.yaml` lists them. What is there already is kept:
    a finished model is skipped, an interrupted one goes on after its last whole epoch.
    Law: a run that was killed and started again leaves the same weights as one that was not
    (CPU, same threads).

    Raises:
        UsageError: `out` holds a model of another recipe or cannot be written to; an impossible
            name, decoy or device.
        DataError: a split has no picture of any class.
        ModelError: the loss or a weight is no longer a finite number.
    """
    jobs = plan(scenario, only)
    train_jobs(prepared(scenario, out, jobs, progress, trust_code), jobs)


def train_jobs(run: TrainingRun, jobs: Sequence[Job]) -> None:
    """Trains the models of a plan, each on the pictures with its decoy, and writes the manifest."""
    models = [planned(run, job) for job in jobs]
    announce(run, models)
    for model in train_models(run, models, partial(training_pictures, run)):
        with writing(run.out):
            write_manifest(run.out, [model.candidate])


def announce(run: TrainingRun, models: Sequence[PlannedModel]) -> None:
    """Says what the pictures are, and how many of the models are there already.

    Raises:
        UsageError: a model that is there is of another recipe or damaged.
    """
    done = sum(is_finished(model) for model in models)
    if not run.progress:
        return
    training, validation = run.training, run.validation
    for sentence in (*training.notes, *validation.notes, *training.broken, *validation.broken):
        tqdm.write(sentence)
    tqdm.write(f"{done} of {len(models)} models are in '{run.out}' already")


def train_models(
    run: TrainingRun,
    models: Sequence[PlannedModel],
    pictures: Callable[[PlannedModel], Pictures],
) -> Iterator[PlannedModel]:
    """Trains each model on its `pictures`, and yields each when its file is there.

    The pictures are asked for only where something is left to train.
    """
    settings = run.material.scenario.training
    states = {
        model.job.name: interrupted_state(model) for model in models if not is_finished(model)
    }
    epochs = 0
    for state in states.values():
        epochs += settings.epochs - (state["number"] if state else 0)
    total = epochs * batches(settings, run.training)
    with progress_bar(total, "batch", run.progress and run.bar) as bar:
        for i, model in enumerate(models):
            name = model.job.name
            if name in states:
                shown = pictures(model)
                place = f" ({i + 1} of {len(models)})" if len(models) > 1 else ""
                bar.set_description(f"{name}{place}")
                _train(run, model, shown, states.pop(name), bar)
            with writing(run.out):
                model.partial.unlink(missing_ok=True)
            yield model


def progress_bar(total: int, unit: str, progress: bool) -> tqdm[Any]:
    """A bar on a terminal, which shows every step; a log gets none."""
    shown = progress and total > 0 and sys.stderr.isatty()
    return tqdm(total=total, unit=unit, disable=not shown, dynamic_ncols=True)


def _train(
    run: TrainingRun, model: PlannedModel, shown: Pictures, state: State | None, bar: tqdm[Any]
) -> None:
    """Runs the epochs that are left, each kept as it comes, and writes the checkpoint."""
    began = told = time.monotonic()
    settings, name = run.material.scenario.training, model.job.name
    build = partial(run.build, len(shown.classes))
    task = Task(build, shown, run.validation, settings, model.job.seed, run.device)
    kept = state or {}
    for epoch in fit(task, state, bar.update):
        _check_finite(name, epoch, settings)
        kept = {"recipe": model.recipe, **epoch.state}
        with writing(model.partial), replacing(model.partial) as unfinished:
            torch.save(kept, unfinished)
        where = (
            f"epoch {epoch.number}/{settings.epochs}, "
            f"loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.3f}"
        )
        bar.set_postfix_str(where)
        if run.progress and bar.disable and time.monotonic() - told > SELDOM:
            told = time.monotonic()
            tqdm.write(f"{name}: {where}")
    _write_checkpoint(model, kept)
    if run.progress:
        seconds = time.monotonic() - began
        bar.write(
            f"{name}: accuracy {kept['accuracy']:.3f} on the validation images, {seconds:.0f} s"
        )


def _write_checkpoint(model: PlannedModel, state: State) -> None:
    """Writes the weights, and with them what the model is and how it was made."""
    words = {
        **describe(model.candidate),
        "decoy": model.job.decoy or "",
        "coverage": str(model.job.coverage),
        "seed": str(model.job.seed),
        "recipe": model.recipe,
        "validation_accuracy": f"{state['accuracy']:.4f}",
        "torch": torch.__version__,
    }
    with writing(model.candidate.file):
        Safetensors().write(model.candidate.file, state["network"], words)


def _check_finite(name: str, epoch: Epoch, settings: Training) -> None:
    """Raises ModelError where the loss or a weight is no finite number."""
    finite = math.isfinite(epoch.loss)
    for tensor in epoch.state["network"].values():
        if tensor.is_floating_point():
            finite = finite and bool(tensor.isfinite().all())
    if not finite:
        raise ModelError(
            f"training '{name}' failed in epoch {epoch.number}: "
            f"the loss is {epoch.loss} and not every number is finite; "
            f"set a training.learning_rate below {settings.learning_rate}"
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a full disk, or a folder that is not ours, into one sentence; what was kept stays."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise UsageError(
            f"cannot write '{path}': {reason}; {advice_on_room(error)}choose another --out, "
            "then run the same again"
        ) from None
