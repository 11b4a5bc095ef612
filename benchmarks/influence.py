"""All-pairs gradient cosine, ours and everyone else's, side by side in one run: python
benchmarks/influence.py [--quick | --transformer | --grouped]

ResNet18 (and a ViT-Tiny), five classes, gradients by the default layers (layer3 + layer4 + fc; the
last two blocks, norm and head), one thread, each tool in a process of its
own. CPU seconds (user and
system: fresh memory costs time) and peak memory above the loaded model and images; the largest
    error and the mean rank
correlation of the queries' lists against the truth, plain autograd in float64 from residuals of 60
digits. `fresh` has random weights; `saturated` knows its images by heart, so that 1 - p is 0 in
float32.

The full run writes a section of docs/influence.md; `--quick` ends with one line of JSON, whose best
peer is the quickest one. Peers that are not installed are named and skipped; `--peers DIR` adds a
folder to look for them.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import logging
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

import mpmath
import numpy as np
import timm
import torch
from influence_page import table, write_section
from influence_peers import LEAVE_OUT_BATCH_NORM, PEERS, Images, chosen
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import (
    efficientnet_b0,
    mobilenet_v3_small,
    resnet18,
    shufflenet_v2_x1_0,
)

from shortcut_audit.evidence.gradients.influence.gradient_cosine import GradientCosine
from shortcut_audit.evidence.gradients.layers_and_scalars import default_layers
from shortcut_audit.measures.rankings import spearman
from shortcut_audit.records import Labelled

# the others need longer than --quick has, and cannot be the best
QUICK = ("naive loop", "dattri-llm")
# minutes for a dozen images: it writes gradients of all parameters once for each parameter
SLOW = ("dattri",)
# what takes any architecture, and so the transformer
PLAIN = ("naive loop", "vmap(grad)")
# with grouped or depthwise convolutions, which are a small part of the work in a ResNet
GROUPED = (shufflenet_v2_x1_0, mobilenet_v3_small, efficientnet_b0)
# where an activation's derivative jumps
KINKS = {nn.ReLU: (0.0,), nn.Hardswish: (-3.0, 3.0), nn.Hardsigmoid: (-3.0, 3.0)}
MARGIN = 2e-5  # of an activation's mean square root: at 64 px, float32 rounds by less
Scores = Callable[[nn.Module, Images, Images], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network and its images; pixels as uint8 for us, as float for everyone else."""

    name: str
    network: nn.Module
    queries: Images
    training: Images

    def part(self, m: int, q: int) -> Case:
        """Its first m training images and q queries."""
        queries, training = (
            (some[0][:n], some[1][:n]) for some, n in ((self.queries, q), (self.training, m))
        )
        return replace(self, queries=queries, training=training)

    def as_float(self) -> tuple[Images, Images]:
        return (self.queries[0] / 255, self.queries[1]), (self.training[0] / 255, self.training[1])


@dataclass(frozen=True)
class Measured:
    tool: str
    seconds: float  # of CPU
    system: float  # of these, in the kernel
    megabytes: float
    scores: np.ndarray


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    case: Case
    found: Measured
    error: float  # the largest
    rho: float  # Spearman's, mean over the queries

    def cells(self) -> tuple[str, ...]:
        found, case = self.found, self.case
        name = f"{case.name}, {case.queries[0].shape[-1]} px, {len(case.training[0])} x {len(case.queries[0])}"
        times = f"{found.seconds:.2f}", f"{found.system:.2f}"
        return (
            name,
            found.tool,
            *times,
            f"{found.megabytes:.0f}",
            f"{self.error:.1e}",
            f"{self.rho:.4f}",
        )


def pictures(n: int, side: int) -> Tensor:
    """Smooth coloured noise of which no two are alike."""
    draw = torch.Generator().manual_seed(side)
    smooth = F.interpolate(torch.rand(n, 3, 8, 8, generator=draw), (side, side), mode="bilinear")
    grain = torch.rand(n, 3, side, side, generator=draw) * 0.2
    return ((smooth * 0.8 + grain) * 255).to(torch.uint8)


def fresh_network(pixels: Tensor, make: Callable[..., nn.Module] = resnet18) -> nn.Module:
    """Random weights, and batch norms that have seen some of the pictures."""
    torch.manual_seed(0)
    network = make(num_classes=5).train()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = None  # the mean of what it sees
    with torch.no_grad():
        for part in pixels[:60].split(20):
            network(part / 255)
    return network.eval()


def away_from_kinks(network: nn.Module, pixels: Tensor, n: int, margin: float = MARGIN) -> Tensor:
    """The first n pictures on which no activation of the layers is within rounding of a kink.

    There the gradient jumps, so that float32 and float64 rightly differ, in every tool alike.
    """
    margin *= (64 / pixels.shape[-1]) ** 2
    nearest: list[Tensor] = []

    def note(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        x = arguments[0].flatten(1)
        distance = torch.stack([(x - kink).abs().amin(1) for kink in KINKS[type(module)]]).amin(0)
        nearest.append(distance / x.square().mean(1).sqrt())

    handles = [
        module.register_forward_pre_hook(note)
        for name, module in network.named_modules()
        if type(module) in KINKS and name.startswith(default_layers(network))
    ]
    kept = []
    with torch.no_grad():
        for part in pixels.split(20):
            network(part / 255)
            kept.append(part[torch.stack(nearest).amin(0) > margin] if nearest else part)
            nearest.clear()
    for handle in handles:
        handle.remove()
    return torch.cat(kept)[:n]


def grouped(make: Callable[..., nn.Module], m: int, q: int) -> Case:
    """A network with grouped convolutions at 64 px, with random weights.

    float32 rounds more in these than in a ResNet, so more of the pictures are near a kink.
    """
    pixels = pictures(6 * (q + m), 64)
    network = fresh_network(pixels, make)
    pixels = away_from_kinks(network, pixels, q + m, 4 * MARGIN)
    labels = torch.arange(q + m) % 5
    assert len(pixels) == q + m, f"only {len(pixels)} pictures are away from kinks"
    return Case(make.__name__, network, (pixels[:q], labels[:q]), (pixels[q:], labels[q:]))


def cases(side: int, m: int, q: int) -> tuple[Case, Case]:
    """The fresh network, and the same with a head fitted to all labels with a margin of about
    thirty.
    """
    pixels = pictures(2 * (q + m), side)
    network = fresh_network(pixels)
    pixels = away_from_kinks(network, pixels, q + m)
    labels = torch.arange(q + m) % 5
    assert len(pixels) == q + m, f"only {len(pixels)} pictures are away from kinks"
    fresh = Case("fresh", network, (pixels[:q], labels[:q]), (pixels[q:], labels[q:]))
    network = deepcopy(network)
    seen: list[Tensor] = []
    handle = network.fc.register_forward_hook(
        lambda _module, arguments, _output: seen.append(arguments[0])
    )
    with torch.no_grad():
        for part in pixels.split(20):
            network(part / 255)
        handle.remove()
        z = torch.cat(seen).double()
        centred = z - z.mean(0)
        gram = centred @ centred.T
        wanted = 30 * F.one_hot(labels, 5) + 3 * torch.randn(
            len(z), 5, generator=torch.Generator().manual_seed(1)
        )
        ridge = 1e-4 * gram.diagonal().mean() * torch.eye(len(z))
        weight = torch.linalg.solve(gram + ridge, wanted.double()).T @ centred
        network.fc.weight.copy_(weight)
        network.fc.bias.copy_(-weight @ z.mean(0))
        sure = (
            torch.cat([network(part / 255).softmax(1) for part in pixels.split(20)])[
                range(len(z)), labels
            ]
            == 1
        )
    print(
        f"saturated: 1 - p is exactly 0 for {float(sure.float().mean()):.0%} of the images",
        flush=True,
    )
    return fresh, replace(fresh, name="saturated", network=network)


def transformer(m: int, q: int) -> Case:
    """A ViT-Tiny at 224 px with random weights. It has no kinks."""
    pixels, labels = pictures(q + m, 224), torch.arange(q + m) % 5
    torch.manual_seed(0)
    network = timm.create_model("vit_tiny_patch16_224", num_classes=5).eval()
    return Case("ViT-Tiny", network, (pixels[:q], labels[:q]), (pixels[q:], labels[q:]))


def truth(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    """Plain autograd in float64, one image at a time, from the loss's residual at 60 digits."""
    exact = network.double()
    parameters = list(chosen(exact).values())

    def gradient(image: Tensor, label: Tensor) -> list[Tensor]:
        logits = exact(image[None].double())
        powers = [mpmath.exp(mpmath.mpf(z)) for z in logits[0].tolist()]
        residual = [power / sum(powers) - (at == int(label)) for at, power in enumerate(powers)]
        largest = max(abs(each) for each in residual)
        seed = torch.tensor([[float(each / largest) for each in residual]], dtype=torch.float64)
        return [g.flatten() for g in torch.autograd.grad(logits, parameters, seed)]

    with mpmath.workdps(60):
        kept = [
            torch.stack(rows)
            for rows in zip(*(gradient(*each) for each in zip(*queries, strict=True)), strict=True)
        ]
        norms = sum(rows.square().sum(1) for rows in kept)
        columns = []
        for each in zip(*training, strict=True):
            row = gradient(*each)
            dots = sum(rows @ g for rows, g in zip(kept, row, strict=True))
            columns.append(dots / (norms * sum(g.dot(g) for g in row)).sqrt())
        return torch.stack(columns, 1).numpy()


def ours(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    method = GradientCosine(scalar="loss")
    return method.scores(network, Labelled(*queries), Labelled(*training))


def measure(tool: str, scores: Scores, case: Case) -> Measured | None:
    """Runs a tool in a forked process, warmed up on a few images; None, aloud, if it is not
    installed or fails.
    """
    images = (case.queries, case.training) if tool == "ours" else case.as_float()
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read()
        os.waitpid(child, 0)
        *costs, result = pickle.loads(answer) if answer else (0.0, 0.0, 0.0, "it was killed")
        if isinstance(result, str):
            print(f"skipped: {tool} on {case.name}: {result}", flush=True)
            return None
        return Measured(tool, *costs, result)
    with os.fdopen(writer, "wb") as stream, contextlib.suppress(BrokenPipeError):
        stream.write(pickle.dumps(_measured_here(scores, case.network, images)))
    os._exit(0)


def _measured_here(
    scores: Scores, network: nn.Module, images: tuple[Images, Images]
) -> tuple[float, float, float, np.ndarray | str]:
    warnings.simplefilter("ignore")
    logging.disable()
    for stream in (1, 2):  # progress bars
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    try:
        # else what the parent has freed serves the tool and is not counted
        ctypes.CDLL(None).malloc_trim(0)
        before = memory("VmRSS", "RssFile")
        if scores is not truth:
            few = [
                (pixels[:n], labels[:n]) for n, (pixels, labels) in zip((2, 4), images, strict=True)
            ]
            scores(network, few[0], few[1])
            gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again here
        start = os.times()
        result = scores(network, *images)
        end = os.times()
        user, system = end.user - start.user, end.system - start.system
        return user + system, system, memory("VmHWM", "RssFile") - before, np.asarray(result)
    except Exception as error:  # whatever a peer does is its own affair
        return (
            0.0,
            0.0,
            0.0,
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        )


def memory(whole: str, apart: str) -> float:
    """Megabytes, without the pages of libraries' files that happen to be mapped."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return (int(lines[whole].split()[0]) - int(lines[apart].split()[0])) / 1024


def compare(case: Case, tools: Mapping[str, Scores], known: int | None = None) -> list[Row]:
    """The tools' measurements on a case, judged by the truth on the first `known` training images."""
    part = case.training[0][:known], case.training[1][:known]
    reference = measure("truth", truth, replace(case, training=part))
    assert reference is not None
    rows = []
    for tool, scores in tools.items():
        taken = case.part(12, 4) if tool in SLOW else case
        if found := measure(tool, scores, taken):
            there = found.scores[:, :known]
            known_here = reference.scores[: there.shape[0], : there.shape[1]]
            error, rho = (
                np.nanmax(np.abs(there - known_here)),
                np.nanmean(spearman(there, known_here)),
            )
            rows.append(Row(taken, found, float(error), float(rho)))
            print(*rows[-1].cells(), sep=" | ", flush=True)
    return rows


def quickest(rows: list[Row], apart: Iterable[str] = ()) -> Measured | None:
    """The best of the peers that were measured on the whole case; the naive loop is none."""
    whole = len(rows[0].case.training[0])
    peers = [
        row.found
        for row in rows[1:]
        if len(row.case.training[0]) == whole and row.found.tool not in ("naive loop", *apart)
    ]
    return min(peers, key=lambda found: found.seconds, default=None)


def summary(fresh: list[Row], saturated: list[Row]) -> dict[str, object]:
    """The line of JSON: times, memory and error on the fresh network, ranks on the saturated one."""
    mine, best = fresh[0], quickest(fresh)
    naive = next((row.found for row in fresh if row.found.tool == "naive loop"), None)
    return {
        "speedup_naive": round(naive.seconds / mine.found.seconds, 2) if naive else None,
        "speedup_best_peer": round(best.seconds / mine.found.seconds, 2) if best else None,
        "best_peer": best.tool if best else None,
        "max_error": mine.error,
        "spearman_saturated": saturated[0].rho,
        "peak_mb": round(mine.found.megabytes, 1),
        "peak_mb_best_peer": round(best.megabytes, 1) if best else None,
    }


def lead(rows: list[Row]) -> tuple[str, ...]:
    """How many times quicker than the naive loop, the best peer of all, and the best that knows
    every layer; lowest memory.
    """
    mine = rows[0].found
    naive = next(row.found for row in rows if row.found.tool == "naive loop")
    others = [quickest(rows), quickest(rows, LEAVE_OUT_BATCH_NORM)]
    times = [f"{best.seconds / mine.seconds:.1f} ({best.tool})" if best else "-" for best in others]
    least = min((row.found for row in rows[1:]), key=lambda found: found.megabytes)
    memory = f"{mine.megabytes:.0f} MB, next {least.megabytes:.0f} MB ({least.tool})"
    return rows[0].cells()[0], f"{naive.seconds / mine.seconds:.1f}", *times, memory


def growth(sizes: tuple[int, ...]) -> list[tuple[object, ...]]:
    """Ours alone, 20 queries at 64 px, for more and more training images."""
    pixels = pictures(20 + max(sizes), 64)
    labels = torch.arange(len(pixels)) % 5
    whole = Case(
        "fresh", fresh_network(pixels), (pixels[:20], labels[:20]), (pixels[20:], labels[20:])
    )
    rows: list[tuple[object, ...]] = []
    for m in sizes:
        found = measure("ours", ours, whole.part(m, 20))
        assert found is not None
        rows.append(
            (m, f"{found.seconds:.2f}", f"{1000 * found.seconds / m:.1f}", f"{found.megabytes:.0f}")
        )
        print(*rows[-1], sep=" | ", flush=True)
    return rows


def section(cases: list[list[Row]], grown: list[tuple[object, ...]]) -> list[str]:
    """The part of docs/influence.md that this command measures."""
    columns = (
        "case, training images x queries",
        "tool",
        "CPU s",
        "of it system",
        "peak MB",
        "largest error",
        "Spearman",
    )
    return [
        f"`python benchmarks/influence.py`, torch {torch.__version__}. {(__doc__ or '').split(chr(10) * 2)[1]}",
        "",
        f"{', '.join(LEAVE_OUT_BATCH_NORM[:-1])} and {LEAVE_OUT_BATCH_NORM[-1]} leave batch norm out: that is their error on the",
        "fresh network. dattri takes minutes for a dozen images, so a dozen is what it is measured on.",
        "Pictures on which a ReLU is within rounding of zero are left out: there the gradient jumps, for every tool alike.",
        "",
        *table(columns, (row.cells() for rows in cases for row in rows)),
        "",
        "How many times quicker ours is, in CPU time:",
        "",
        *table(
            ("case", "naive loop", "best peer", "best peer that knows batch norm", "peak memory"),
            map(lead, cases),
        ),
        "",
        "Growth with the training set (ours, fresh, 20 queries, 64 px):",
        "",
        *table(("training images", "CPU s", "ms each", "peak MB"), grown),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick",
        action="store_true",
        help="64 px, 60 x 10 images, the quickest peers, under a minute",
    )
    parser.add_argument(
        "--peers", type=Path, help="a folder with peers installed by `pip install --target`"
    )
    parser.add_argument("--tools", nargs="*", choices=tuple(PEERS), help="only these peers")
    parser.add_argument("--transformer", action="store_true", help="the ViT-Tiny's rows alone")
    parser.add_argument(
        "--grouped", action="store_true", help="networks of grouped convolutions, 64 px, 100 x 10"
    )
    options = parser.parse_args()
    sys.path += [str(options.peers)] if options.peers else []
    torch.set_num_threads(1)
    names = options.tools or (QUICK if options.quick else tuple(PEERS))
    tools: dict[str, Scores] = {"ours": ours, **{name: PEERS[name] for name in names}}
    few = {name: scores for name, scores in tools.items() if name in ("ours", *QUICK)}
    simple = {name: tools[name] for name in ("ours", *PLAIN) if name in tools}
    if options.transformer:
        print(*lead(compare(transformer(40, 8), simple)), sep=" | ")
        return
    if options.grouped:
        few = {name: tools[name] for name in ("ours", "naive loop")}
        measured = [compare(grouped(make, 100, 10), few, known=20) for make in GROUPED]
        ratios = {
            rows[0].case.name: rows[1].found.seconds / rows[0].found.seconds for rows in measured
        }
        print(json.dumps({name: round(ratio, 1) for name, ratio in ratios.items()}))
        return
    if options.quick:
        fresh, saturated = cases(64, 60, 10)
        found = compare(fresh, tools, known=20), compare(saturated, {"ours": ours})
        print(json.dumps(summary(*found)))
        return
    measured = []
    for side, m, q in ((64, 200, 20), (224, 40, 8)):
        fresh, saturated = cases(side, m, q)
        found = compare(fresh, tools), compare(saturated.part(60, 10), tools if side == 64 else few)
        print(json.dumps(summary(*found)), flush=True)
        measured += found
    measured.append(compare(transformer(40, 8), simple))
    write_section("Against its peers", section(measured, growth((500, 1000, 2000, 4000))))


if __name__ == "__main__":
    main()
