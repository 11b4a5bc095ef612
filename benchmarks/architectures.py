"""Masks, influence and the explainer check, each by default options, on the usual architectures:
python benchmarks/architectures.py [--only NAME ...] [--side 64 224]

Random weights, one thread, each cell in a process of its own: CPU seconds for so many pictures, and
peak memory above the loaded network. What is measured goes into docs/architectures.json at once, and
docs/architectures.md is written from that file; a cell that is there is not measured again, so that
a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from influence import memory, pictures
from influence_page import table
from torch import Tensor, nn

from shortcut_audit import registry
from shortcut_audit.evidence.gradients.influence.gradient_cosine import GradientCosine
from shortcut_audit.evidence.masks.explainers.extremal import Extremal
from shortcut_audit.evidence.sanity_networks import Versions, randomised, sanity_masks
from shortcut_audit.records import Labelled

# cheapest first
ARCHITECTURES = (
    "torchvision:mobilenet_v3_small",
    "torchvision:resnet18",
    "torchvision:regnet_y_400mf",
    "torchvision:efficientnet_b0",
    "timm:vit_tiny_patch16_224",
    "timm:deit_tiny_patch16_224",
    "timm:swin_tiny_patch4_window7_224",
    "torchvision:swin_t",
    "torchvision:convnext_tiny",
    "torchvision:maxvit_t",
    "torchvision:vit_b_16",
)
SIDES = (64, 224)
CLASSES, AREA = 10, 0.05
MASKED, QUERIES, TRAINING, CHECKED, BEFORE = 8, 4, 12, 8, 16  # pictures
RESULTS = Path(__file__).parents[1] / "docs" / "architectures.json"
PAGE = RESULTS.with_suffix(".md")
PREFACE = [
    "# Architectures",
    "",
    "Every audit works by default options on the usual architectures. `python benchmarks/architectures.py` measures what that costs:",
    f"influence of {TRAINING} training pictures on {QUERIES} queries (`gradient_cosine` by the default layers), masks of {MASKED} pictures (`extremal`), and the",
    f"explainer check on {CHECKED} pictures, whose planted copy is trained on {BEFORE} others. Random weights, with batch norms that have seen pictures;",
    "one thread; CPU seconds, not those on the clock; peak memory above the loaded network. `factors` means that influence needs no",
    "vmap(grad). `n of m learnt`: on so many pictures the planted copy answers by the decoy alone, as the check needs.",
]
AFTERWORD = [
    "An empty cell was not measured. `maxvit` of torchvision exists only for sizes that its windows of 7 divide.",
    "",
    "The default layers are the last two stages and what follows them; in a ViT or DeiT, whose stages are its blocks, the last two blocks, the norm",
    "and the head. Grad-CAM takes the last layer with places on which the logit depends. It reads maps as (n, c, h, w), as (n, h, w, c) (Swin)",
    "and as tokens beside a class token (ViT, DeiT).",
]


def network_of(name: str, side: int) -> nn.Module:
    """An architecture as the harness builds it for pictures of this side, with random weights."""
    source, _, architecture = name.partition(":")
    entry = registry.build("architecture", source)
    torch.manual_seed(0)
    network = entry.build(architecture, CLASSES, **entry.fitting(architecture, side, {})).eval()
    return randomised(network, pictures(16, side) / 255)  # its batch norms have seen pictures


def masks(network: nn.Module, side: int) -> str:
    """The audits of masks: the default explainer."""
    images = pictures(MASKED, side) / 255
    found = Extremal().explain(network, images, torch.arange(MASKED) % CLASSES, AREA)
    assert bool(found.isfinite().all())
    return ""


def influence(network: nn.Module, side: int) -> str:
    """The audits of influence: the default method, and the words of its claim."""
    pixels, labels = pictures(QUERIES + TRAINING, side), torch.arange(QUERIES + TRAINING) % CLASSES
    queries, training = Labelled(pixels[:QUERIES], labels[:QUERIES]), Labelled(pixels, labels)
    method = GradientCosine()
    scores = method.scores(network, queries, Labelled(training.images[QUERIES:], labels[QUERIES:]))
    assert abs(scores).max() <= 1
    through = method.basis(network, queries).partition(" through ")[2]
    return through or "factors"


def check(network: nn.Module, side: int) -> str:
    """The check of the explainer on planted networks and on ones with random weights."""
    shown = versions(CHECKED + BEFORE, side)
    here, before = shown[torch.arange(CHECKED)], shown[torch.arange(CHECKED, CHECKED + BEFORE)]

    def explain(model: nn.Module, images: Tensor) -> Tensor:
        return Extremal().explain(model, images, torch.ones(len(images)).long(), AREA)

    found = sanity_masks(network, here, before, 1, explain)
    return f"{int(found['known'].sum())} of {CHECKED} learnt"


def versions(n: int, side: int) -> Versions:
    """Pictures with a square that is half red, half white; its control is grey."""
    plain, fourth = pictures(n, side) / 255, side // 4
    at = slice(side // 8, side // 8 + fourth), slice(side // 2, side // 2 + fourth)
    footprint = torch.zeros(n, side, side, dtype=torch.bool)
    decoyed, control = plain.clone(), plain.clone()
    footprint[:, *at], control[:, :, *at], decoyed[:, :, *at] = True, 0.5, 1.0
    decoyed[:, 1:, at[0], side // 2 : side // 2 + fourth // 2] = 0.0
    return Versions(decoyed, control, plain, footprint)


AUDITS: dict[str, Callable[[nn.Module, int], str]] = {
    "influence": influence,
    "masks": masks,
    "check": check,
}

ORDER = (
    ("influence", 64),
    ("masks", 64),
    ("influence", 224),
    ("check", 64),
    ("masks", 224),
    ("check", 224),
)


def cell(name: str, audit: str, side: int) -> dict[str, Any]:
    """Measures one cell in this process: CPU seconds, megabytes, and what it says of itself."""
    torch.set_num_threads(1)
    try:
        network = network_of(name, side)
    except Exception as error:  # whatever its library says of this size
        return {"problem": str(error).splitlines()[0]}
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before would serve and not be counted
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again here
    before, start = memory("VmRSS", "RssFile"), time.process_time()
    said = AUDITS[audit](network, side)
    seconds = time.process_time() - start
    peak = memory("VmHWM", "RssFile") - before
    return {"seconds": round(seconds, 2), "megabytes": round(peak), "said": said}


def page(results: dict[str, dict[str, Any]]) -> str:
    """docs/architectures.md, of whatever is measured so far."""
    rows = []
    for name in ARCHITECTURES:
        for side in SIDES:
            cells = [results.get(f"{name} {audit} {side}") for audit in AUDITS]
            if any(cells):
                rows.append((f"`{name}`", side, *[_shown(each) for each in cells]))
    columns = ("architecture", "px", *[f"{audit}: s, MB" for audit in AUDITS])
    return "\n".join([*PREFACE, "", *table(columns, rows), "", *AFTERWORD, ""])


def _shown(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    if "problem" in found:
        return f"cannot be built: {found['problem']}"
    said = f" ({found['said']})" if found["said"] else ""
    return f"{found['seconds']:.1f} s, {found['megabytes']} MB{said}"


def main() -> None:
    """Measures what is missing, the cheapest first, and writes the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", default=ARCHITECTURES, help="these architectures")
    parser.add_argument("--side", nargs="*", type=int, default=SIDES, help="pixels")
    options = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for audit, side in ORDER:
        for name in options.only:
            key = f"{name} {audit} {side}"
            if side in options.side and key not in results:
                with get_context("fork").Pool(1) as pool:
                    results[key] = pool.apply(cell, (name, audit, side))
                print(key, results[key], flush=True)
                RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    PAGE.write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
