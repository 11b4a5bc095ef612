"""All-pairs gradient cosine, ours and everyone else's, side by side in one run: python benchmarks/influence.py [--quick]

ResNet18, five classes, gradients by layer3 + layer4 + fc, one thread, each tool in a process of its own. CPU seconds and peak
memory above the loaded model and images; the largest error and the mean rank correlation of the queries' lists against the
truth, plain autograd in float64 from residuals of 60 digits. `fresh` has random weights; `saturated` knows its images by
heart, so that 1 - p is 0 in float32. The full run writes docs/influence.md; `--quick` ends with one line of JSON.
Peers that are not installed are named and skipped; `--peers DIR` adds a folder to look for them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import pickle
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import mpmath
import numpy as np
import torch
from influence_peers import LAYERS, PEERS, Images, chosen
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import resnet18

from shortcut_audit.evidence.influence.gradient_cosine import GradientCosine
from shortcut_audit.judging.ranking import spearman

PAGE = Path(__file__).parents[1] / "docs" / "influence.md"
QUICK = ("naive loop", "dattri-llm", "kronfluence")  # the others need longer than --quick has, and cannot be the best
Scores = Callable[[nn.Module, Images, Images], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A network and its images; pixels as uint8 for us, as float for everyone else."""

    name: str
    network: nn.Module
    queries: Images
    training: Images

    def as_float(self) -> tuple[Images, Images]:
        return (self.queries[0] / 255, self.queries[1]), (self.training[0] / 255, self.training[1])


@dataclass(frozen=True)
class Measured:
    tool: str
    seconds: float
    megabytes: float
    scores: np.ndarray


def pictures(n: int, side: int, seed: int) -> Images:
    """Smooth coloured noise of which no two are alike, and labels that say nothing about it."""
    draw = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(torch.rand(n, 3, 8, 8, generator=draw), (side, side), mode="bilinear")
    grain = torch.rand(n, 3, side, side, generator=draw) * 0.2
    return ((smooth * 0.8 + grain) * 255).to(torch.uint8), torch.arange(n) % 5


def cases(side: int, m: int, q: int) -> Iterator[Case]:
    """The fresh network, and the same with its head fitted to all labels with a margin of about forty."""
    torch.manual_seed(0)
    pixels, labels = pictures(q + m, side, seed=side)
    network = resnet18(num_classes=5).train()
    with torch.no_grad():
        for part in pixels.split(20)[:3]:
            network(part / 255)
    network.eval()
    yield Case("fresh", network, (pixels[:q], labels[:q]), (pixels[q:], labels[q:]))
    features = []
    handle = network.fc.register_forward_hook(lambda _module, arguments, _output: features.append(arguments[0]))
    with torch.no_grad():
        for part in pixels.split(20):
            network(part / 255)
        handle.remove()
        z = torch.cat(features).double()
        z = torch.cat([z, torch.ones(len(z), 1, dtype=torch.float64)], 1)
        theta = torch.linalg.lstsq(z, 40 * F.one_hot(labels, 5).double(), driver="gelsd").solution
        network.fc.weight.copy_(theta[:-1].T)
        network.fc.bias.copy_(theta[-1])
    yield Case("saturated", network, (pixels[:q], labels[:q]), (pixels[q:], labels[q:]))


def truth(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    """Plain autograd in float64, one image at a time, from the loss's residual at 60 digits."""
    exact = network.double()
    parameters = list(chosen(exact).values())

    def gradient(image: Tensor, label: Tensor) -> Tensor:
        logits = exact(image[None].double())
        powers = [mpmath.exp(mpmath.mpf(z)) for z in logits[0].tolist()]
        residual = [power / sum(powers) - (at == int(label)) for at, power in enumerate(powers)]
        largest = max(abs(each) for each in residual)
        seed = torch.tensor([[float(each / largest) for each in residual]], dtype=torch.float64)
        row = torch.cat([g.flatten() for g in torch.autograd.grad(logits, parameters, seed)])
        return row / row.norm()

    with mpmath.workdps(60):
        kept = torch.stack([gradient(*each) for each in zip(*queries, strict=True)])
        return torch.stack([kept @ gradient(*each) for each in zip(*training, strict=True)], 1).numpy()


def ours(network: nn.Module, queries: Images, training: Images) -> np.ndarray:
    return GradientCosine(LAYERS, scalar="loss").scores(network, *queries, *training)


def measure(tool: str, scores: Scores, case: Case) -> Measured | None:
    """Runs a tool in a forked process, warmed up on a few images; None, aloud, if it is not installed or fails."""
    images = (case.queries, case.training) if tool == "ours" else case.as_float()
    reader, writer = os.pipe()
    if child := os.fork():
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            answer = stream.read()
        os.waitpid(child, 0)
        seconds, megabytes, result = pickle.loads(answer) if answer else (0.0, 0.0, "it was killed")
        if isinstance(result, str):
            print(f"skipped: {tool} on {case.name}: {result}", flush=True)
            return None
        return Measured(tool, seconds, megabytes, result)
    with os.fdopen(writer, "wb") as stream, contextlib.suppress(BrokenPipeError):
        stream.write(pickle.dumps(_measured_here(scores, case.network, images)))
    os._exit(0)


def _measured_here(scores: Scores, network: nn.Module, images: tuple[Images, Images]) -> tuple[float, float, np.ndarray | str]:
    warnings.simplefilter("ignore")
    logging.disable()
    for stream in (1, 2):  # progress bars
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    try:
        before = _memory("VmRSS")
        if scores is not truth:
            few = [(pixels[:n], labels[:n]) for n, (pixels, labels) in zip((2, 4), images, strict=True)]
            scores(network, few[0], few[1])
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again here
        start = time.process_time()
        result = scores(network, *images)
        return time.process_time() - start, _memory("VmHWM") - before, np.asarray(result)
    except Exception as error:  # whatever a peer does is its own affair
        return 0.0, 0.0, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _memory(field: str) -> float:
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def compare(side: int, m: int, q: int, tools: dict[str, Scores], quick: bool) -> dict[str, list[tuple[Measured, float, float]]]:
    """For each case the tools' measurements, with their largest error and rank correlation against the truth."""
    results = {}
    for case in cases(side, m, q):
        few = 20 if quick and case.name == "fresh" else m  # the truth is slow
        reference = measure("truth", truth, Case(case.name, case.network, case.queries, tuple(x[:few] for x in case.training)))
        assert reference is not None
        rows = []
        for tool, scores in tools.items():
            if quick and case.name == "saturated" and tool not in ("ours", "dattri-llm"):
                continue
            if found := measure(tool, scores, case):
                known = found.scores[:, :few]
                error, rho = np.nanmax(np.abs(known - reference.scores)), np.nanmean(spearman(known, reference.scores))
                rows.append((found, float(error), float(rho)))
                print(_row(case.name, side, rows[-1]), flush=True)
        results[case.name] = rows
    return results


def _row(case: str, side: int, row: tuple[Measured, float, float]) -> str:
    found, error, rho = row
    return f"| {case}, {side} px | {found.tool} | {found.seconds:.2f} | {found.megabytes:.0f} | {error:.1e} | {rho:.4f} |"


def summary(results: dict[str, list[tuple[Measured, float, float]]]) -> dict[str, object]:
    """The line of JSON: times on the fresh network, ranks on the saturated one."""
    fresh = {found.tool: (found, error) for found, error, _ in results["fresh"]}
    mine, error = fresh.pop("ours")
    best = min(fresh.values(), key=lambda each: each[0].seconds)[0] if fresh else None
    naive = fresh.get("naive loop")
    return {
        "speedup_naive": round(naive[0].seconds / mine.seconds, 2) if naive else None,
        "speedup_best_peer": round(best.seconds / mine.seconds, 2) if best else None,
        "best_peer": best.tool if best else None,
        "max_error": error,
        "spearman_saturated": next(rho for found, _, rho in results["saturated"] if found.tool == "ours"),
        "peak_mb": round(mine.megabytes, 1),
        "peak_mb_best_peer": round(best.megabytes, 1) if best else None,
    }


def growth(sizes: tuple[int, ...]) -> list[str]:
    """Ours alone, 20 queries at 64 px, for more and more training images."""
    lines = []
    for m in sizes:
        found = measure("ours", ours, next(cases(64, m, 20)))
        assert found is not None
        lines.append(f"| {m} | {found.seconds:.2f} | {found.megabytes:.0f} |")
        print(lines[-1], flush=True)
    return lines


def page(tables: list[str], grown: list[str], command: str) -> str:
    """docs/influence.md."""
    described = (__doc__ or "").split("\n\n")[1].replace("\n", " ")
    return "\n".join(
        [
            "# Gradient cosine, measured",
            "",
            f"Written by `{command}`. {described}",
            "",
            "Tools without batch norm (dattri-llm, kronfluence, captum sample-wise) answer a slightly other question: that is their error.",
            "",
            "| case | tool | CPU s | peak MB | largest error | Spearman |",
            "|---|---|---|---|---|---|",
            *tables,
            "",
            "Growth with the training set (ours, fresh, 20 queries, 64 px):",
            "",
            "| training images | CPU s | peak MB |",
            "|---|---|---|",
            *grown,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="64 px, 60 x 10 images, the quickest peers, under a minute")
    parser.add_argument("--peers", type=Path, help="a folder with peers installed by `pip install --target`")
    parser.add_argument("--tools", nargs="*", help="only these peers")
    options = parser.parse_args()
    sys.path += [str(options.peers)] if options.peers else []
    torch.set_num_threads(1)
    names = options.tools or (QUICK if options.quick else tuple(PEERS))
    tools: dict[str, Scores] = {"ours": ours, **{name: PEERS[name] for name in names}}
    if options.quick:
        print(json.dumps(summary(compare(64, 60, 10, tools, quick=True))))
        return
    tables = []
    for side, m, q in ((64, 200, 20), (224, 60, 10)):
        results = compare(side, m, q, tools, quick=False)
        print(json.dumps(summary(results)), flush=True)
        tables += [_row(f"{name}, {m} x {q}", side, row) for name, rows in results.items() for row in rows]
    command = "python benchmarks/influence.py"
    PAGE.write_text(page(tables, growth((500, 1000, 2000, 4000)), command))


if __name__ == "__main__":
    main()
