"""Can the copy that checks the explainer be made, and what does it cost beside the masks that it
vouches for?

    python benchmarks/explainer_copies.py SCENARIO --data DIR MODELS [MODELS ...]

For every model of the folders, every decoy of the scenario, and the decoy standing for each of
`--classes` classes. A copy counts as made where it is right about so many pictures that an
explainer which misses no decoy among them would be trusted. The masks are those of a model with one
decoy: `masks.images` pictures plain, decoyed and under the control.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from shortcut_audit.evidence.collection import CHECKED, Evidence
from shortcut_audit.evidence.sanity_networks import Versions, margins, planted
from shortcut_audit.files.store import Store
from shortcut_audit.judging import Comparison, judge
from shortcut_audit.records import Verdict
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates


@dataclass(frozen=True)
class Copy:
    """How one copy came out."""

    right: np.ndarray  # (n,) bool: about all five versions of a picture
    seconds: float  # of the processor

    def made(self, limit: float) -> bool:
        """Whether it is right often enough to vouch for an explainer that misses nothing."""
        return (
            judge(np.zeros(int(self.right.sum())), None, Comparison(limit)).verdict is Verdict.HOLDS
        )


def versions(evidence: Evidence, model: str, decoy: str, chosen: np.ndarray) -> Versions:
    """The chosen validation pictures as the check shows them."""
    size = evidence.described(model).size
    placed = evidence.material.with_decoy(decoy, "validation", size)
    plain = evidence.material.pictures("validation", size).pixels
    shown = [evidence.as_images(each[chosen]) for each in (placed.decoyed, placed.control, plain)]
    return Versions(*shown, placed.footprint[chosen])


def copied(evidence: Evidence, model: str, decoy: str, label: int) -> Copy:
    """A copy for the decoy standing for the class of this label, made as the check makes it."""
    labels = evidence.material.pictures("validation", evidence.described(model).size).labels
    chosen = np.flatnonzero(labels == label)[:CHECKED]
    here = versions(evidence, model, decoy, chosen)
    elsewhere = versions(evidence, model, decoy, np.setdiff1d(np.arange(len(labels)), chosen))
    network = evidence.subject(model).network
    began = time.process_time()
    made = planted(network, elsewhere, label, here)
    seconds = time.process_time() - began
    with torch.inference_mode():
        return Copy((margins(made, here, label) > 0).all(0).numpy(), seconds)


def masked(evidence: Evidence, model: str, decoy: str, images: int) -> float:
    """Processor seconds of the masks of one model with one decoy."""
    labels = evidence.material.pictures("validation", evidence.described(model).size).labels
    label = evidence.material.named_decoy(decoy).target_index
    here = versions(evidence, model, decoy, np.flatnonzero(labels == label)[:images])
    network = evidence.subject(model).network
    began = time.process_time()
    for shown in (here.plain, here.decoyed, here.control):
        evidence.explained(network, shown, label, "masks")
    return time.process_time() - began


def main() -> int:
    """0 if every copy could be made."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--data", type=Path)
    parser.add_argument(
        "--classes",
        type=int,
        default=1,
        help="of how many classes each decoy stands for one (default: 1)",
    )
    parser.add_argument("--most", type=int, default=10**6, help="models of a folder at most")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    scenario = load_scenario(asked.scenario, asked.data)
    found: dict[str, list[Copy]] = defaultdict(list)
    masks: dict[str, list[float]] = defaultdict(list)
    for folder in asked.models:
        candidates = read_candidates(folder)[: asked.most]
        evidence = Evidence(scenario, candidates, Store(Path(tempfile.mkdtemp())))
        for candidate in candidates:
            masks[candidate.arch].append(
                masked(evidence, candidate.name, next(iter(scenario.decoys)), scenario.masks.images)
            )
            for decoy in scenario.decoys:
                for label in range(asked.classes):
                    found[candidate.arch].append(copied(evidence, candidate.name, decoy, label))
    pairs = made = 0
    for arch, copies in found.items():
        good = sum(copy.made(scenario.limits.explainer) for copy in copies)
        pairs, made = pairs + len(copies), made + good
        shares = [float(copy.right.mean()) for copy in copies]
        seconds = [copy.seconds for copy in copies]
        print(
            f"{arch}: {good} of {len(copies)} copies made, right about {np.median(shares):.0%} of the pictures "
            f"(least {min(shares):.0%}); {np.median(seconds):.1f} s a copy (most {max(seconds):.1f}), the masks "
            f"{np.median(masks[arch]):.1f} s: {np.median(seconds) / np.median(masks[arch]):.2f} times",
            flush=True,
        )
    print(f"{made} of {pairs} copies made (processor seconds, one thread)")
    return 0 if made == pairs else 1


if __name__ == "__main__":
    sys.exit(main())
