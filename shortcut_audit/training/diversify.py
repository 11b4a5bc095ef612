"""Scenario -> a Rashomon set, made on purpose where `training.diversify` asks for it (thesis,
section 2.2).

A model is trained; what its masks reveal is blurred in its training pictures; the next one, by the
same recipe and from the same seed, is trained on these, and so on until one is no longer as
accurate. Each has to do without the reasons of those before it.
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
from shortcut_audit.evidence.masks.area import top_area
from shortcut_audit.evidence.masks.perturbation import perturbation_levels, perturbed
from shortcut_audit.files.store import Arrays, Store
from shortcut_audit.files.whole import sha256
from shortcut_audit.records import Pictures, Subject
from shortcut_audit.scenario import Diversify, Scenario
from shortcut_audit.subjects.checkpoints.safetensors import Safetensors
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import write_manifest
from shortcut_audit.training import train as training
from shortcut_audit.training.plan import Job, plan
from shortcut_audit.training.together import train_together
from shortcut_audit.training.train import Order, Workshop

PART = 256  # pictures whose masks are kept together: what a killed run computes again
DROPPED = ".dropped"  # hidden, so that no manifest lists and no audit finds what is in it


@dataclass(frozen=True)
class Chain:
    """How the reasons of one model after the other are found and blurred."""

    shop: Workshop
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
    """Trains the scenario's models as `train` does and, with `training.diversify`, a chain of
    others after each of them.

    After `F0-s0` come `F0-s0-d1`, `F0-s0-d2`, ... until there are `models`, or one is less accurate
    than the first by more than `drop`; that one is kept out of the set, in `.dropped`. None of them
    is a reference. A name in `only` stands for the chain up to it. Laws: the first models' files
    are those of `train`; a killed run ends as one that was not, and trains or explains nothing
    twice.

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
    shop = training.workshop(scenario, out, list(lengths), progress, trust_code)
    chain = Chain(shop, settings, explainer, Store(out / ".evidence"), trust_code)
    for job, length in lengths.items():
        _lengthen(chain, job, length)
    for problem in chain.store.problems if progress else ():
        tqdm.write(problem)


def _lengths(
    jobs: Sequence[Job], settings: Diversify, only: Collection[str] | None
) -> dict[Job, int]:
    """How many models to make after each of those that are asked for."""
    places = {_name(job, i): (job, i) for job in jobs for i in range(settings.models)}
    for name in only or ():
        if name not in places:
            raise UsageError(
                f"the scenario trains no model called '{name}'{did_you_mean(name, places)}"
            )
    asked = [place for name, place in places.items() if only is None or name in only]
    return {job: max(i for other, i in asked if other == job) for job, _ in asked}


def _name(job: Job, i: int) -> str:
    return f"{job.name}-d{i}" if i else job.name


def _lengthen(chain: Chain, job: Job, length: int) -> None:
    """Makes what is missing of one chain, up to `length` models after the first."""
    out = chain.shop.out
    links = [training.order_of(chain.shop, job)]
    for i in range(1, length + 1):
        link = training.order_of(
            chain.shop, replace(job, name=_name(job, i)), _blurred_by(chain, links[-1])
        )
        if training.finished(link):
            if _lost(chain, links[0], link):
                raise UsageError(
                    f"'{link.candidate.file}' was made when training.diversify.drop was larger, and loses more accuracy than "
                    f"{chain.settings.drop:g}: delete it and its lines in rashomon.yaml, or choose another --out"
                )
        elif not _tried(chain, links, link):
            return
        with training.writing(out):
            write_manifest(out, [link.candidate])
        links.append(link)


def _tried(chain: Chain, links: Sequence[Order], link: Order) -> bool:
    """Trains the next model aside, and lets it join if it is accurate enough."""
    aside = replace(
        link,
        candidate=replace(link.candidate, file=chain.shop.out / DROPPED / link.candidate.file.name),
    )
    finished = training.finished(aside)  # then nobody asks for its pictures
    pictures = chain.shop.training if finished else _without_reasons(chain, links)
    for _ in training.train_orders(chain.shop, [aside], lambda _: pictures):
        pass
    if _lost(chain, links[0], aside):
        if chain.shop.progress:
            own, first = (_accuracy(each) for each in (aside, links[0]))
            tqdm.write(
                f"{link.job.name}: accuracy {own:.3f} is more than {chain.settings.drop:g} below the {first:.3f} of "
                f"{links[0].job.name}, so it is not in the set and the chain ends; it is kept as '{aside.candidate.file}'"
            )
        return False
    with training.writing(link.candidate.file):
        os.replace(aside.candidate.file, link.candidate.file)
    return True


def _lost(chain: Chain, first: Order, link: Order) -> bool:
    """Whether its accuracy on the plain validation pictures fell by more than is allowed; both have
    four decimals.
    """
    return round(_accuracy(first) - _accuracy(link), 4) > chain.settings.drop


def _accuracy(order: Order) -> float:
    return float(Safetensors().metadata(order.candidate.file)["validation_accuracy"])


def _blurred_by(chain: Chain, before: Order) -> dict[str, object]:
    """What the pictures after this model depend on; its own file says what those before it did."""
    digest = sha256(before.candidate.file)
    return {"model": digest, "explainer": repr(chain.explainer), "area": chain.settings.area}


def _without_reasons(chain: Chain, links: Sequence[Order]) -> Pictures:
    """The first model's training pictures, blurred where each model of the chain looked, one after
    the other.
    """
    pictures = training.worn(chain.shop, links[0])
    for link in links:
        subject = cache(partial(_subject, chain, link))
        parts = []
        with training.progress_bar(len(pictures.ids), "picture", chain.shop.progress) as bar:
            bar.set_description(f"masks of {link.job.name}")
            for start in range(0, len(pictures.ids), PART):
                pixels, labels = (
                    pictures.pixels[start : start + PART],
                    pictures.labels[start : start + PART],
                )
                revealed = _reasons(
                    chain,
                    subject,
                    link,
                    pixels,
                    labels,
                    lambda done, _, s=start: bar.update(s + done - bar.n),
                )
                parts.append(blurred(pixels, revealed, chain.shop.device))
                bar.update(start + len(pixels) - bar.n)
        pictures = replace(pictures, pixels=torch.cat(parts))
    return pictures


def _subject(chain: Chain, link: Order) -> Subject:
    return load_subject(
        link.candidate, chain.shop.training.classes, chain.trust_code, str(chain.shop.device)
    )


def _reasons(
    chain: Chain,
    subject: Callable[[], Subject],
    link: Order,
    pixels: Tensor,
    labels: np.ndarray,
    report: Callable[..., object],
) -> Tensor:
    """(n, h, w) bool: what the model needs to see of each picture's true class; kept, so that it is
    made once.
    """
    area, device = chain.settings.area, chain.shop.device
    shape = (len(pixels), *pixels.shape[-2:])

    def explain() -> Arrays:
        images, targets = (
            pixels.to(device, torch.float32) / 255,
            torch.from_numpy(labels).to(device),
        )
        saliency = chain.explainer.explain(subject().network, images, targets, area, report)
        return {"revealed": np.packbits(top_area(saliency, area).cpu().numpy())}

    shown = hashlib.sha256(pixels.contiguous().numpy().data)
    shown.update(f"{shape}{labels.tolist()}".encode())
    key = {**_blurred_by(chain, link), "pictures": shown.hexdigest()}
    kept = chain.store.arrays("reasons", key, explain)["revealed"]
    return torch.from_numpy(np.unpackbits(kept, count=math.prod(shape)).reshape(shape).astype(bool))


def blurred(pixels: Tensor, revealed: Tensor, device: torch.device) -> Tensor:
    """(n, 3, h, w) uint8 pictures, wholly blurred where (n, h, w) is revealed. Law: no other pixel
    changes.
    """
    images = pixels.to(device, torch.float32) / 255
    seen = perturbed(perturbation_levels(images, "blur"), (~revealed).to(images))
    return (255 * seen).round().to("cpu", torch.uint8)
