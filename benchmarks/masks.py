"""Masks against their peers: one command, one run, the same threads, the same images.

    python benchmarks/masks.py --quick  # a minute or two, nearly all of it the reference; ends with
    JSON python benchmarks/masks.py --case fixtures/demo.yaml checkpoints F0-s0 --images 60 --write
    docs/masks.md python benchmarks/masks.py --case fixtures/demo.yaml checkpoints F100-s0 --decoy
    stop_sign --explainers all --no-torchray

The reference is TorchRay (`pip install --no-deps torchray`; archived, non-commercial licence): a
peer here, never a dependency. Scores compare masks at equal area: each mask reveals its top 5 % of
the image (and, softly, a mean of 5 %) through the same blur pyramid; differences are paired over
images, with 95 % t intervals. The noise floor is the reference against itself on the mirrored
image. Times are CPU seconds, so that a machine that others use too says the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from masks_peers import Timed, grad_cam, torchray
from masks_scorers import judged
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from shortcut_audit import registry
from shortcut_audit.evidence.lent_network import bf16_pays, lean
from shortcut_audit.evidence.masks.area import mask_of_area, sharpened
from shortcut_audit.evidence.masks.explainers import extremal
from shortcut_audit.evidence.masks.explainers.extremal import RECIPES, Extremal
from shortcut_audit.evidence.masks.perturbation import perturbation_levels
from shortcut_audit.evidence.masks.search import Reward
from shortcut_audit.measures.masks import highlights, iou, share_on_footprint
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.datasets.demo import Demo
from shortcut_audit.subjects.loading.networks import Normalised, build_architecture
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.pictures.material import Material


@dataclass(frozen=True)
class Case:
    """A model, images (n, 3, h, w) in [0, 1], the classes to explain, and the decoy's footprint
    where there is one.
    """

    name: str
    network: nn.Module
    images: Tensor
    targets: Tensor
    footprint: np.ndarray | None = None

    def first(self, n: int) -> Case:
        return replace(self, images=self.images[:n], targets=self.targets[:n], footprint=None)


@dataclass(frozen=True)
class Row:
    """What one method did on a case."""

    method: str
    seconds: float  # an image
    masks: Tensor = field(repr=False)
    score: np.ndarray = field(repr=False)  # (n,) logit of the class at equal revealed pixels
    soft: np.ndarray = field(repr=False)  # (n,) the same through the soft mask of equal mean
    memory: float = 0.0  # peak of the process so far, MiB


def ours(name: str, **options: Any) -> Timed:
    """A registered explainer."""
    explainer = registry.build("explainer", name, options)

    def masks(
        network: nn.Module, images: Tensor, targets: Tensor, area: float
    ) -> tuple[Tensor, np.ndarray]:
        start = time.process_time()
        found = explainer.explain(network, images, targets, area)
        return found, np.full(len(images), (time.process_time() - start) / len(images))

    return masks


def measure(method: str, make: Timed, case: Case, area: float) -> Row:
    """Runs a method on all images of a case and scores its masks."""
    masks, seconds = make(case.network, case.images, case.targets, area)
    masks = masks.clamp(min=0)
    masks = masks / masks.amax((1, 2), keepdim=True).clamp(min=1)
    score, soft = (preserved(case, each(masks, area)) for each in (mask_of_area, sharpened))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Row(method, float(seconds.mean()), masks, score, soft, peak)


def preserved(case: Case, masks: Tensor) -> np.ndarray:
    """(n,) logits of the classes through the masks."""
    reward = Reward(case.network)
    pairs = zip(case.images.split(32), masks.float().split(32), case.targets.split(32), strict=True)
    with torch.no_grad():
        return torch.cat(
            [reward(perturbation_levels(images), mask, targets) for images, mask, targets in pairs]
        ).numpy()


def model_alone(case: Case) -> float:
    """Seconds that one forward and backward pass of the lean network takes an image: nothing can be
    faster than that x passes.
    """
    images = case.images[:32].clone().requires_grad_()
    times = []
    with lean(case.network, case.images[:2]) as logits:
        for _ in range(5):
            start = time.process_time()
            torch.autograd.grad(logits(images).sum(), images)
            times.append(time.process_time() - start)
    return min(times) / len(images)


def machinery(case: Case, area: float) -> float:
    """The share of the fast recipe's time that is not the model's forward or backward pass."""
    spent = {"model": 0.0, "since": 0.0}

    class Bracket(torch.autograd.Function):
        """Starts or stops the clock, in the forward pass and, the other way round, in the backward
        pass.
        """

        @staticmethod
        def forward(ctx: Any, value: Tensor, starts: bool) -> Tensor:
            ctx.starts = starts
            tick(starts)
            return value.view_as(value)

        @staticmethod
        def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None]:
            tick(not ctx.starts)
            return slope, None

    def tick(starts: bool) -> None:
        if starts:
            spent["since"] = time.thread_time()
        else:
            spent["model"] += time.thread_time() - spent["since"]

    @contextmanager
    def bracketed(network: nn.Module, images: Tensor, bf16: bool = False) -> Iterator[Any]:
        with lean(network, images, bf16) as logits:
            yield lambda batch: Bracket.apply(logits(Bracket.apply(batch, True)), False)

    extremal.lean, original = bracketed, extremal.lean  # type: ignore[assignment]
    try:
        start = time.process_time()
        Extremal().explain(case.network, case.images, case.targets, area)
        return 1 - spent["model"] / (time.process_time() - start)
    finally:
        extremal.lean = original


def difference(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Mean paired difference with its 95 % t interval."""
    gap = ours - theirs
    half = stats.t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / len(gap) ** 0.5
    return f"{gap.mean():+.2f} [{gap.mean() - half:+.2f}, {gap.mean() + half:+.2f}]"


def under_each(case: Case, row: Row, reference: Row, area: float) -> str:
    """The paired differences under four judges."""
    both = [
        judged(case.network, case.images, case.targets, mask_of_area(each.masks, area))
        for each in (row, reference)
    ]
    return "; ".join(f"{name} {difference(both[0][name], both[1][name])}" for name in both[0])


def overlap(first: Tensor, second: Tensor, area: float) -> float:
    """Mean IoU of the pixels that two methods reveal."""
    return float(iou(mask_of_area(first, area).numpy(), mask_of_area(second, area).numpy()).mean())


def noise_floor(
    reference: Row, make: Timed, case: Case, area: float, count: int
) -> tuple[float, str]:
    """IoU of the reference with itself on the mirrored image, and the difference of its scores, on
    the first images.
    """
    few = case.first(count)
    mirrored = make(few.network, few.images.flip(-1), few.targets, area)[0].flip(-1)
    gap = (
        difference(preserved(few, mask_of_area(mirrored, area)), reference.score[:count])
        if count > 1
        else ""
    )
    return overlap(reference.masks[:count], mirrored, area), gap


def at_own_area(reference: Row, make: Timed, case: Case, area: float, count: int) -> str:
    """Our exact recipe against the reference where each image reveals as much as the reference's
    mask of it; with the floor.
    """
    few, theirs = case.first(count), reference.masks[:count]
    areas = theirs.mean((1, 2)).double()
    exact = Extremal(recipe="paper").masks(few.network, few.images, few.targets, areas).masks
    mirrored = make(few.network, few.images.flip(-1), few.targets, area)[0].flip(-1)
    own, *others = (mask_of_area(masks, areas) for masks in (theirs, exact, mirrored))
    words = [
        f"{difference(preserved(few, each), preserved(few, own))}, IoU {iou(each.numpy(), own.numpy()).mean():.2f}"
        for each in others
    ]
    return f"At the reference's own areas (n = {count}): `paper` {words[0]}; the reference mirrored {words[1]}."


def table(case: Case, rows: list[Row], reference: Row | None, area: float) -> str:
    """Markdown, one line a method."""
    lines = [
        [
            "method",
            "CPU s an image",
            "speed-up",
            "score",
            "- reference",
            "soft",
            "- reference",
            "area",
            "IoU",
            "MiB",
        ]
    ]
    if case.footprint is not None:
        lines[0] += ["on decoy", "highlight it"]
    for row in rows:
        cells = [
            row.method,
            f"{row.seconds:.3f}",
            f"{reference.seconds / row.seconds:.1f} x" if reference else "",
        ]
        for kind in ("score", "soft"):
            own = getattr(row, kind)
            compared = reference is not None and row is not reference
            cells += [
                f"{own.mean():.2f}",
                difference(own, getattr(reference, kind)) if compared else "",
            ]
        cells += [
            f"{100 * row.masks.mean():.1f} %",
            f"{overlap(row.masks, reference.masks, area):.2f}" if reference else "",
        ]
        cells += [f"{row.memory:.0f}"]
        if case.footprint is not None:
            shown = mask_of_area(row.masks, area).numpy()
            share = share_on_footprint(shown, case.footprint)
            cells += [
                f"{np.median(share):.2f}",
                f"{100 * highlights(shown, case.footprint).mean():.0f} %",
            ]
        lines.append(cells)
    return "\n".join(
        "| " + " | ".join(line) + " |" for line in [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    )


def trained_case(images: int) -> Case:
    """A small net trained for some seconds on the demo: what `--quick` needs where there are no
    checkpoints.
    """
    torch.manual_seed(0)
    demo = Demo(train=80, validation=max(2, images // 5 + 1))
    training, validation = demo.load("train", 64), demo.load("validation", 64)
    network = Normalised(
        build_architecture("shortcut_audit:small_resnet", 5), (0.5,) * 3, (0.25,) * 3
    )
    labels = torch.from_numpy(training.labels)
    steps = [each for _ in range(12) for each in torch.randperm(len(labels)).split(32)]
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for chosen in steps:
        optimiser.zero_grad()
        F.cross_entropy(network(training.pixels[chosen].float() / 255), labels[chosen]).backward()
        optimiser.step()
    chosen = np.random.default_rng(0).permutation(len(validation.labels))[:images]
    pixels = validation.pixels[chosen].float() / 255
    network = network.eval().requires_grad_(False)
    return Case(
        "small_resnet, 64 px, trained on the spot",
        network,
        pixels,
        torch.from_numpy(validation.labels[chosen]),
    )


def untrained_case(arch: str, size: int, images: int) -> Case:
    """A large network with random weights: for times and memory alone."""
    torch.manual_seed(0)
    network = (
        Normalised(getattr(models, arch)(num_classes=5), (0.5,) * 3, (0.25,) * 3)
        .eval()
        .requires_grad_(False)
    )
    return Case(
        f"{arch}, {size} px, random weights",
        network,
        torch.rand(images, 3, size, size),
        torch.arange(images) % 5,
    )


def loaded_case(options: argparse.Namespace) -> Case:
    """A model of a Rashomon set on validation images: of all classes, or of the decoy's class with
    the decoy on.
    """
    scenario, folder, model = options.case
    material = Material(load_scenario(Path(scenario)))
    candidate = next(each for each in read_candidates(Path(folder)) if each.name == model)
    subject = load_subject(candidate, material.classes)
    validation = material.pictures("validation", subject.size)
    if options.decoy is None:
        order = np.random.default_rng(0).permutation(len(validation.labels))
        chosen = order[options.skip : options.skip + options.images]
        pixels, labels, footprint = (
            validation.pixels[chosen],
            torch.from_numpy(validation.labels[chosen]),
            None,
        )
    else:
        chosen = material.members(options.decoy, "validation", subject.size)[: options.images]
        placed = material.with_decoy(options.decoy, "validation", subject.size)
        pixels, footprint = placed.decoyed[chosen], placed.footprint[chosen].numpy()
        labels = torch.full((len(chosen),), material.named_decoy(options.decoy).target_index)
    about = [
        candidate.arch,
        f"{subject.size} px",
        Path(scenario).stem,
        options.decoy or "no decoy",
        f"n = {len(chosen)}",
    ]
    return Case(
        f"{candidate.name} ({', '.join(about)})",
        subject.network,
        pixels.float() / 255,
        labels,
        footprint,
    )


def methods(options: argparse.Namespace) -> dict[str, Timed]:
    """Name -> how to make masks; every registered explainer if asked for."""
    found: dict[str, Timed] = {"extremal, fast": ours("extremal")}
    if options.paper:
        found["extremal, paper"] = ours("extremal", recipe="paper")
    names = registry.names("explainer") if options.explainers == ["all"] else options.explainers
    found |= {name: ours(name) for name in names if name != "extremal"}
    if options.explainers == ["all"]:
        try:
            found["pytorch-grad-cam"] = grad_cam()
        except ImportError:
            print("skipped: pytorch-grad-cam is not installed (pip install grad-cam)")
    return found


def report(
    case: Case,
    rows: list[Row],
    reference: Row | None,
    floor: tuple[float, str],
    options: argparse.Namespace,
) -> str:
    """The section of the docs for one case."""
    alone, fast, passes = model_alone(case), rows[0], RECIPES["fast"].iterations + 1
    share = machinery(case, options.area)
    text = [f"### {case.name}", "", table(case, rows, reference, options.area), ""]
    text.append(
        f"The model alone takes {1000 * alone:.2f} ms for a forward and a backward pass of one image, so {passes} passes take "
        f"{alone * passes:.3f} s; `fast` took {fast.seconds:.3f} s, {share:.0%} of it outside the model."
    )
    if reference and options.mirrored:
        gap = f", its score differs by {floor[1]}" if floor[1] else ""
        text.append(
            f"Noise floor: the reference on {options.mirrored} mirrored images overlaps with itself by {floor[0]:.2f} (IoU){gap}."
        )
    if reference:
        text.append(
            f"{fast.method} - {reference.method} under four judges: {under_each(case, fast, reference, options.area)}."
        )
    bf16 = (
        "yes" if bf16_pays(case.images.device) else "no, the processor has no matrix units for it"
    )
    text.append(
        f"Area asked: {100 * options.area:g} %. Threads: {options.threads}. bf16: {bf16}. {options.note}".strip()
    )
    return "\n".join(text) + "\n"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="8 images, a small net at 64 px, one line of JSON at the end",
    )
    parser.add_argument(
        "--case",
        nargs=3,
        metavar=("SCENARIO", "MODELS", "MODEL"),
        help="a trained model and its images",
    )
    parser.add_argument(
        "--untrained", nargs=2, metavar=("ARCH", "SIZE"), help="a torchvision model for times alone"
    )
    parser.add_argument("--decoy", help="explain the decoy's class on images that carry it")
    parser.add_argument(
        "--explainers", nargs="*", default=[], help="more registered explainers, or 'all'"
    )
    parser.add_argument("--paper", action="store_true", help="our exact recipe too")
    parser.add_argument("--no-torchray", action="store_true")
    parser.add_argument(
        "--iterations", type=int, default=800, help="TorchRay's; its time is extrapolated to 800"
    )
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--mirrored", type=int, default=8, help="images for the noise floor")
    parser.add_argument("--area", type=float, default=0.05)
    parser.add_argument(
        "--skip",
        type=int,
        default=24,
        help="images left out first: the settings were picked on them",
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--peers", type=Path, action="append", default=[], help="a folder of `pip install --target`"
    )
    parser.add_argument(
        "--keep", type=Path, help="a folder for the reference's masks, which cost hours: used again"
    )
    parser.add_argument(
        "--timed",
        type=int,
        default=2,
        help="images on which the reference is timed where masks are kept",
    )
    parser.add_argument("--note", default="", help="a sentence about the machine, for the docs")
    parser.add_argument("--write", type=Path, help="append the table to this file")
    return parser.parse_args()


def chosen_case(options: argparse.Namespace) -> Case:
    if options.case:
        return loaded_case(options)
    if options.untrained:
        return untrained_case(options.untrained[0], int(options.untrained[1]), options.images)
    return trained_case(options.images)


def main() -> None:
    options = arguments()
    sys.path += [str(folder) for folder in options.peers]
    if options.quick:
        options.images, options.mirrored = 8, 1
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")  # the reference's own
    case = chosen_case(options)
    Extremal().explain(case.network, case.images[:2], case.targets[:2], options.area)  # warm up
    rows = [measure(name, make, case, options.area) for name, make in methods(options).items()]
    reference, floor = None, (float("nan"), "")
    if not options.no_torchray:
        torchray(2)(case.network, case.images[:1], case.targets[:1], options.area)  # warm up
        peer = torchray(options.iterations, options.keep)
        reference = measure("TorchRay", peer, case, options.area)
        if options.keep:  # times are this run's, even where masks were kept from another
            few = case.first(options.timed)
            _, seconds = torchray(options.iterations)(
                few.network, few.images, few.targets, options.area
            )
            reference = replace(reference, seconds=float(seconds.mean()))
        reference = replace(reference, seconds=reference.seconds * 800 / options.iterations)
        if options.mirrored:
            floor = noise_floor(reference, peer, case, options.area, options.mirrored)
        rows.append(reference)
    text = report(case, rows, reference, floor, options)
    if reference and options.paper and options.mirrored > 1:
        text += at_own_area(reference, peer, case, options.area, options.mirrored) + "\n"
    print(text)
    if options.write:
        with options.write.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    if options.quick and reference:
        fast = rows[0]
        figures = {
            "speedup": reference.seconds / fast.seconds,
            "score": fast.score.mean(),
            "score_torchray": reference.score.mean(),
            "iou": overlap(fast.masks, reference.masks, options.area),
            "noise_floor": floor[0],
            "area": fast.masks.mean(),
            "area_torchray": reference.masks.mean(),
        }
        print(json.dumps({name: round(float(value), 4) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
