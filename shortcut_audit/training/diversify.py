"""Scenario -> a Rashomon set, made on purpose where `training.diversify` asks for it.

A model is trained; what its masks reveal is blurred in its training pictures; the next one, by the
same recipe and from the same seed, is trained on these, and so on until one is no longer as
accurate (thesis, section 2.2). Each has to do without the reasons of those before it.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from shortcut_audit import registry
from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.evidence.masks.perturbation import perturbation_levels, perturbed
from shortcut_audit.files.store import Arrays, Store
from shortcut_audit.files.whole import sha256
from shortcut_audit.records import Pictures, Subject
from shortcut_audit.scenario import Scenario
from shortcut_audit.settings import Diversify
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.descriptions import write_manifest
from shortcut_audit.subjects.pictures.record import of
from shortcut_audit.training.plan import Job, plan
from shortcut_audit.training.preparation import (
    PlannedModel,
    TrainingRun,
    is_finished,
    planned,
    prepared,
    training_pictures,
)
from shortcut_audit.training.together import train_together
from shortcut_audit.training.train import progress_bar, train_models, writing

PART = 256  # pictures whose masks are kept together: what a killed run computes again
DROPPED = ".dropped"  # hidden, so that no manifest lists and no audit finds what is in it


@dataclass(frozen=True)
class DiversifiedSet:
    """The set that is made, and how the reasons of its models are found and blurred."""

    run: TrainingRun
    settings: Diversify
    explainer: Any
    store: Store
    trust_code: bool


def make_set(
    scenario: Scenario,
    out: Path,
    progress: bool = True,
    only: Collection[str] | None = None,
    trust_code: bool = False,
    processes: int = 1,
) -> None:
    """Trains the scenario's models as `train` does, and others after each of them if asked to.

    With `training.diversify`, `F0-s0-d1`, `F0-s0-d2`, ... come after `F0-s0` until there are
    `models`, or one is less accurate than the first by more than `drop`; that one is kept out of
    the set, in `.dropped`. None of them is a reference. A name in `only` stands for the models of
    its chain up to it.
    Laws: the first models' files are those of `train`; a killed run ends as one that was not, and
    trains or explains nothing twice.

    Raises:
        UsageError: as `train`; an impossible explainer; a model that is in the set already
            would have to leave it.
        DataError, ModelError: as `train`.
    """
    settings = scenario.training.diversify
    if settings is None:
        train_together(scenario, out, processes, progress, only, trust_code)
        return
    explainer = registry.build("explainer", scenario.masks.explainer, scenario.masks.options)
    lengths = _lengths(plan(scenario), settings, only)
    train_together(scenario, out, processes, progress, [job.name for job in lengths], trust_code)
    run = prepared(scenario, out, list(lengths), progress, trust_code)
    diversified = DiversifiedSet(run, settings, explainer, Store(out / ".evidence"), trust_code)
    for job, length in lengths.items():
        _make_chain(diversified, job, length)
    for problem in diversified.store.problems if progress else ():
        tqdm.write(problem)


def _lengths(
    jobs: Sequence[Job], settings: Diversify, only: Collection[str] | None
) -> dict[Job, int]:
    """How many models to make after each of those that are asked for."""
    places: dict[str, tuple[Job, int]] = {}
    for job in jobs:
        for i in range(settings.models):
            places[_name(job, i)] = (job, i)
    for name in only or ():
        if name not in places:
            raise UsageError(
                f"the scenario trains no model called '{name}'{did_you_mean(name, places)}"
            )
    lengths: dict[Job, int] = {}
    for name, (job, i) in places.items():
        if only is None or name in only:
            lengths[job] = max(i, lengths.get(job, 0))
    return lengths


def _name(job: Job, i: int) -> str:
    return f"{job.name}-d{i}" if i else job.name


def _make_chain(diversified: DiversifiedSet, job: Job, length: int) -> None:
    """Makes what is missing of one chain, up to `length` models after the first."""
    out = diversified.run.out
    chain = [planned(diversified.run, job)]
    for i in range(1, length + 1):
        named = replace(job, name=_name(job, i))
        model = planned(diversified.run, named, _blurred_by(diversified, chain[-1]))
        if is_finished(model):
            _check_drop(diversified, chain[0], model)
        elif not _join(diversified, chain, model):
            return
        with writing(out):
            write_manifest(out, [model.candidate])
        chain.append(model)


def _check_drop(diversified: DiversifiedSet, first: PlannedModel, model: PlannedModel) -> None:
    """Raises UsageError where a model of the set is no longer accurate enough for it."""
    if _lost(diversified, first, model):
        raise UsageError(
            f"'{model.candidate.file}' was made when training.diversify.drop was larger, "
            f"and loses more accuracy than {diversified.settings.drop:g}: "
            "delete it and its lines in rashomon.yaml, or choose another --out"
        )


def _join(diversified: DiversifiedSet, chain: Sequence[PlannedModel], model: PlannedModel) -> bool:
    """Trains the next model of a chain aside, and lets it join if it is accurate enough."""
    file = diversified.run.out / DROPPED / model.candidate.file.name
    aside = replace(model, candidate=replace(model.candidate, file=file))
    finished = is_finished(aside)  # then nobody asks for its pictures
    pictures = diversified.run.training if finished else _without_reasons(diversified, chain)
    for _ in train_models(diversified.run, [aside], lambda _: pictures):
        pass
    if _lost(diversified, chain[0], aside):
        if diversified.run.progress:
            tqdm.write(_too_inaccurate(diversified, chain[0], aside))
        return False
    with writing(model.candidate.file):
        os.replace(aside.candidate.file, model.candidate.file)
    return True


def _too_inaccurate(diversified: DiversifiedSet, first: PlannedModel, aside: PlannedModel) -> str:
    """The sentence about a model that is not accurate enough for the set."""
    drop = diversified.settings.drop
    return (
        f"{aside.job.name}: accuracy {_accuracy(aside):.3f} is more than {drop:g} below the "
        f"{_accuracy(first):.3f} of {first.job.name}, so it is not in the set and the chain ends; "
        f"it is kept as '{aside.candidate.file}'"
    )


def _lost(diversified: DiversifiedSet, first: PlannedModel, model: PlannedModel) -> bool:
    """Whether its accuracy on the plain validation pictures fell by more than is allowed."""
    # both accuracies have four decimals
    return round(_accuracy(first) - _accuracy(model), 4) > diversified.settings.drop


def _accuracy(model: PlannedModel) -> float:
    return float(Safetensors().metadata(model.candidate.file)["validation_accuracy"])


def _blurred_by(diversified: DiversifiedSet, before: PlannedModel) -> dict[str, object]:
    """What the pictures after this model depend on.

    The model's own file says what the pictures of those before it depend on.
    """
    return {
        "model": sha256(before.candidate.file),
        "explainer": repr(diversified.explainer),
        "area": diversified.settings.area,
    }


def _without_reasons(diversified: DiversifiedSet, chain: Sequence[PlannedModel]) -> Pictures:
    """The first model's training pictures, blurred where each model of the chain looked."""
    pictures = training_pictures(diversified.run, chain[0])
    for model in chain:
        pictures = _without_its_reasons(diversified, model, pictures)
    return pictures


def _without_its_reasons(
    diversified: DiversifiedSet, model: PlannedModel, pictures: Pictures
) -> Pictures:
    subject = cache(partial(_subject, diversified, model))  # loaded only where a mask is missing
    parts = []
    with progress_bar(len(pictures.ids), "picture", diversified.run.progress) as bar:
        bar.set_description(f"masks of {model.job.name}")
        for start in range(0, len(pictures.ids), PART):
            part = _part(pictures, start)
            report = partial(_advance, bar, start)
            revealed = _reasons(diversified, subject, model, part, report)
            parts.append(blurred(part.pixels[:], revealed, diversified.run.device))
            _advance(bar, start, len(part.pixels))
    return replace(pictures, pixels=torch.cat(parts))


def _part(pictures: Pictures, start: int) -> Pictures:
    """The pictures from `start` on whose masks are kept together."""
    return of(pictures, np.arange(start, min(start + PART, len(pictures.ids))))


def _advance(bar: tqdm[Any], start: int, done: int, *_: object) -> None:
    """Shows that so many pictures are done, of those that begin at `start`."""
    bar.update(start + done - bar.n)


def _subject(diversified: DiversifiedSet, model: PlannedModel) -> Subject:
    run = diversified.run
    return load_subject(
        model.candidate, run.training.classes, diversified.trust_code, str(run.device)
    )


def _reasons(
    diversified: DiversifiedSet,
    subject: Callable[[], Subject],
    model: PlannedModel,
    part: Pictures,
    report: Callable[..., object],
) -> Tensor:
    """(n, h, w) bool: what the model needs to see of each picture's true class.

    What is found is kept, so that it is made once.
    """
    pixels, labels = part.pixels[:], part.labels
    area, device = diversified.settings.area, diversified.run.device
    shape = (len(pixels), *pixels.shape[-2:])

    def explain() -> Arrays:
        images = pixels.to(device, torch.float32) / 255
        targets = torch.from_numpy(labels).to(device)
        saliency = diversified.explainer.explain(subject().network, images, targets, area, report)
        return {"revealed": np.packbits(mask_of_area(saliency, area).cpu().numpy())}

    shown = hashlib.sha256(pixels.contiguous().numpy().data)
    shown.update(f"{shape}{labels.tolist()}".encode())
    key = {**_blurred_by(diversified, model), "pictures": shown.hexdigest()}
    kept = diversified.store.arrays("reasons", key, explain)["revealed"]
    return torch.from_numpy(np.unpackbits(kept, count=math.prod(shape)).reshape(shape).astype(bool))


def blurred(pixels: Tensor, revealed: Tensor, device: torch.device) -> Tensor:
    """(n, 3, h, w) uint8 pictures, wholly blurred where (n, h, w) bool is revealed.

    Law: no other pixel changes.
    """
    images = pixels.to(device, torch.float32) / 255
    seen = perturbed(perturbation_levels(images, "blur"), (~revealed).to(images))
    return (255 * seen).round().to("cpu", torch.uint8)
