"""Scenario -> a folder of checkpoints and its manifest; a run that was killed goes on where it
stopped.
"""

from __future__ import annotations

import json
import math
import pickle
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn
from tqdm import tqdm

from shortcut_audit.errors import DataError, ModelError, UsageError, did_you_mean
from shortcut_audit.files.whole import replacing
from shortcut_audit.records import Candidate, Pictures
from shortcut_audit.scenario import Scenario, Training
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.decoying.coverage import covered
from shortcut_audit.subjects.loading.device import chosen_device
from shortcut_audit.subjects.loading.networks import build_architecture
from shortcut_audit.subjects.manifest.candidates import describe, write_manifest
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.training.fit import Epoch, batches, fit
from shortcut_audit.training.plan import Job, plan

State = dict[str, Any]
SELDOM = 30  # seconds between two lines in a log


@dataclass(frozen=True)
class Order:
    """A job with its files and its recipe: everything that the weights depend on, as JSON."""

    job: Job
    candidate: Candidate  # as the manifest will describe it
    recipe: str
    wearers: tuple[int, ...]  # classes whose training images may carry the decoy

    @property
    def partial(self) -> Path:
        """The state after the last whole epoch; hidden, and gone when the model is done."""
        return self.candidate.file.with_name(f".{self.job.name}.partial")


@dataclass(frozen=True)
class Workshop:
    """What all models of a run share."""

    material: Material
    training: Pictures  # without any decoy
    validation: Pictures
    device: torch.device
    build: Callable[[int], nn.Module]  # number of classes -> a new network
    out: Path
    progress: bool
    bar: bool = True  # False where several processes train, and would draw over each other


def train(
    scenario: Scenario,
    out: Path,
    progress: bool = True,
    only: Collection[str] | None = None,
    trust_code: bool = False,
) -> None:
    """Trains the scenario's models (or those named in `only`) into `out`, one `NAME.safetensors`
    each, and `rashomon.yaml`.

    What is there already is kept: a finished model is skipped, an interrupted one goes on after its
    last whole epoch.
    Law: a run that was killed and started again leaves the same weights as one that was not
        (CPU, same threads).

    Raises:
        UsageError: `out` holds a model of another recipe or cannot be written to; an impossible
            name, decoy or device.
        DataError: a split has no picture of any class.
        ModelError: the loss or a weight is no longer a finite number.
    """
    jobs = plan(scenario, only)
    train_jobs(workshop(scenario, out, jobs, progress, trust_code), jobs)


def workshop(
    scenario: Scenario,
    out: Path,
    jobs: Sequence[Job],
    progress: bool = True,
    trust_code: bool = False,
) -> Workshop:
    """Tries the jobs' decoys, then loads the pictures; raises as `train` does."""
    settings = scenario.training
    device = chosen_device(settings.device)
    material = Material(scenario)
    material.check(scenario.decoys)
    material.try_decoys({job.decoy for job in jobs if job.decoy}, settings.size)
    for job in jobs:
        _wearers(material, job)
    training, validation = (
        _shown(material.pictures(split, settings.size), split) for split in ("train", "validation")
    )
    build = partial(build_architecture, settings.arch, trust_code=trust_code, size=settings.size)
    return Workshop(material, training, validation, device, build, out, progress)


def train_jobs(shop: Workshop, jobs: Sequence[Job]) -> None:
    """The models of a plan, each on the pictures with its decoy, and the manifest."""
    orders = [order_of(shop, job) for job in jobs]
    announced(shop, orders)
    for each in train_orders(shop, orders, partial(worn, shop)):
        with writing(shop.out):
            write_manifest(shop.out, [each.candidate])


def announced(shop: Workshop, orders: Sequence[Order]) -> None:
    """Says what the pictures are, and how many of the models are there already."""
    done = sum(finished(each) for each in orders)
    notes = (
        *shop.training.notes,
        *shop.validation.notes,
        *shop.training.broken,
        *shop.validation.broken,
    )
    for sentence in (
        (*notes, f"{done} of {len(orders)} models are in '{shop.out}' already")
        if shop.progress
        else ()
    ):
        tqdm.write(sentence)


def train_orders(
    shop: Workshop, orders: Sequence[Order], pictures: Callable[[Order], Pictures]
) -> Iterator[Order]:
    """Trains each on its `pictures`, asked for only where something is left to train; yields each
    when its file is there.
    """
    settings = shop.material.scenario.training
    begun = {each.job.name: _begun(each) for each in orders if not finished(each)}
    left = sum(settings.epochs - (state["number"] if state else 0) for state in begun.values())
    with progress_bar(
        left * batches(settings, shop.training), "batch", shop.progress and shop.bar
    ) as bar:
        for i, each in enumerate(orders):
            if each.job.name in begun:
                shown = pictures(each)
                bar.set_description(
                    f"{each.job.name} ({i + 1} of {len(orders)})"
                    if len(orders) > 1
                    else each.job.name
                )
                epochs = fit(
                    partial(shop.build, len(shown.classes)), shown, shop.validation, settings, each.job.seed, shop.device,
                    begun[each.job.name], bar.update,
                )  # fmt: skip
                _finish(each, epochs, begun.pop(each.job.name) or {}, shop, bar)
            with writing(shop.out):
                each.partial.unlink(missing_ok=True)
            yield each


def progress_bar(total: int, unit: str, progress: bool) -> tqdm[Any]:
    """A terminal sees every step; a log is spared that, and gets a line at times."""
    return tqdm(
        total=total,
        unit=unit,
        disable=not (progress and total and sys.stderr.isatty()),
        dynamic_ncols=True,
    )


def _finish(
    order: Order, epochs: Iterator[Epoch], state: State, shop: Workshop, bar: tqdm[Any]
) -> None:
    """Runs the epochs that are left, each kept as it comes, and writes the checkpoint."""
    began = told = time.monotonic()
    settings = shop.material.scenario.training
    for epoch in epochs:
        _check_finite(order.job.name, epoch, settings)
        state = {"recipe": order.recipe, **epoch.state}
        with writing(order.partial), replacing(order.partial) as unfinished:
            torch.save(state, unfinished)
        where = f"epoch {epoch.number}/{settings.epochs}, loss {epoch.loss:.3f}, accuracy {epoch.accuracy:.3f}"
        bar.set_postfix_str(where)
        if shop.progress and bar.disable and time.monotonic() - told > SELDOM:
            told = time.monotonic()
            tqdm.write(f"{order.job.name}: {where}")
    words = {
        **describe(order.candidate),
        "decoy": order.job.decoy or "",
        "coverage": str(order.job.coverage),
        "seed": str(order.job.seed),
        "recipe": order.recipe,
        "validation_accuracy": f"{state['accuracy']:.4f}",
        "torch": torch.__version__,
    }
    with writing(order.candidate.file):
        Safetensors().write(order.candidate.file, state["network"], words)
    if shop.progress:
        seconds = time.monotonic() - began
        bar.write(
            f"{order.job.name}: accuracy {state['accuracy']:.3f} on the validation images, {seconds:.0f} s"
        )


def order_of(shop: Workshop, job: Job, blurred: Mapping[str, object] | None = None) -> Order:
    """The job's files and recipe; `blurred` says what is no longer on its pictures, and then it is
    no reference.
    """
    material, settings = shop.material, shop.material.scenario.training
    candidate = Candidate(
        job.name, shop.out / f"{job.name}.safetensors", settings.arch, shop.training.classes, settings.size, settings.mean,
        settings.std, reference=job.decoy is None and blurred is None,
    )  # fmt: skip
    recipe = {
        **settings.model_dump(mode="json", exclude={"models", "device", "diversify", "precision"}),
        # older checkpoints keep their recipe
        **({} if settings.precision == "auto" else {"precision": settings.precision}),
        "pictures": shop.training.digest,
        "decoy": repr(material.scenario.build_decoy(job.decoy)) if job.decoy else None,
        "coverage": job.coverage,
        "seed": job.seed,
        **({} if job.worn_by == "target" else {"worn_by": job.worn_by}),
        **({"blurred": blurred} if blurred else {}),
    }
    return Order(job, candidate, json.dumps(recipe, sort_keys=True), _wearers(material, job))


def _shown(pictures: Pictures, split: str) -> Pictures:
    """Only the pictures that show one of the classes."""
    shown = np.flatnonzero(pictures.labels >= 0)
    if not len(shown):
        raise DataError(
            f"no picture of '{split}' shows any of {', '.join(pictures.classes)}: check the data set's path"
        )
    if len(shown) == len(pictures.labels):
        return pictures
    ids = tuple(pictures.ids[i] for i in shown)
    return replace(pictures, pixels=pictures.pixels[shown], labels=pictures.labels[shown], ids=ids)


def worn(shop: Workshop, order: Order) -> Pictures:
    """The training pictures with the decoy on its share of each class that wears it; no pixel of
    another picture changes.
    """
    job, training = order.job, shop.training
    if job.decoy is None:
        return training
    decoy = shop.material.scenario.build_decoy(job.decoy)
    chosen: list[int] = []  # (m,)
    for label in order.wearers:
        of_class = np.flatnonzero(training.labels == label)  # (t,)
        chosen += of_class[
            covered([training.ids[i] for i in of_class], job.coverage, job.seed)
        ].tolist()
    pixels = training.pixels.clone()
    pixels[chosen] = decoy.apply(training.pixels[chosen], [training.ids[i] for i in chosen]).decoyed
    return replace(training, pixels=pixels)


def _wearers(material: Material, job: Job) -> tuple[int, ...]:
    """The classes whose training pictures may carry the decoy, as indices; none where there is no
    decoy.
    """
    if job.decoy is None:
        return ()
    named = {
        "target": (material.bait(job.decoy).target_index,),
        "every": tuple(range(len(material.classes))),
    }
    if job.worn_by not in (*named, *material.classes):
        hint = did_you_mean(job.worn_by, (*named, *material.classes))
        raise UsageError(
            f"training lets '{job.decoy}' be worn_by '{job.worn_by}', which is no class{hint}"
        )
    return named.get(job.worn_by) or (material.classes.index(job.worn_by),)


def finished(order: Order) -> bool:
    """Whether the model is there already.

    Raises:
        UsageError: its file is of another recipe or damaged.
    """
    if not order.candidate.file.exists():
        return False
    try:
        _check_recipe(
            order,
            order.candidate.file,
            Safetensors().metadata(order.candidate.file).get("recipe", "{}"),
        )
    except ModelError as error:
        raise UsageError(f"{error}; delete it or choose another --out") from None
    return True


def _begun(order: Order) -> State | None:
    if not order.partial.exists():
        return None
    try:
        state: State = torch.load(order.partial, map_location="cpu", weights_only=True)
        found = state["recipe"]
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError):
        raise UsageError(
            f"cannot go on from '{order.partial}', which is damaged; delete it or choose another --out"
        ) from None
    _check_recipe(order, order.partial, found)
    return state


def _check_recipe(order: Order, file: Path, found: str) -> None:
    """Nothing of another recipe is overwritten or counted as this one."""
    if found == order.recipe:
        return
    there, asked = json.loads(found), json.loads(order.recipe)
    keys = [key for key in {**asked, **there} if there.get(key) != asked.get(key)]
    raise UsageError(
        f"'{file}' was trained by another recipe (other {', '.join(keys)}) than the scenario's: choose another --out or delete it"
    )


def _check_finite(name: str, epoch: Epoch, settings: Training) -> None:
    weights = (tensor for tensor in epoch.state["network"].values() if tensor.is_floating_point())
    if not math.isfinite(epoch.loss) or not all(
        bool(tensor.isfinite().all()) for tensor in weights
    ):
        raise ModelError(
            f"training '{name}' failed in epoch {epoch.number}: the loss is {epoch.loss} and not every number is finite; "
            f"set a training.learning_rate below {settings.learning_rate}"
        )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk or a folder that is not ours: one sentence; what was kept before stays."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise UsageError(
            f"cannot write '{path}': {reason}; make room or choose another --out, then run the same again"
        ) from None
