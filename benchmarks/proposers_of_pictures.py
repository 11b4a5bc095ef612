"""What do the proposers that look at pictures alone find, at each coverage, and what do they propose
on honest pictures?

    python benchmarks/proposers_of_pictures.py SCENARIO [--data DIR] [--size 64] [--only DECOY...]
        [--coverage 1 .5 .25 .1] [--seeds 1 2]

A planted decoy counts as found where a proposal for its class fits: its crops lie on the footprint
in most of their pictures (`on`: the mean share of the region that does), or its filter is the
decoy's kind. `rank` is that proposal's place among all of its proposer's. The decoys of the
scenario's `calibration: tuning` were used to set the thresholds; the others were not.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from shortcut_audit import registry
from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.parts import Parts, halves
from shortcut_audit.discovery.proposal import Proposal
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.records import Pictures
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.pictures.material import Material
from shortcut_audit.training.plan import Job
from shortcut_audit.training.wearing import with_decoy

PROPOSERS = ("places", "recurring_patches", "image_wide")
FITS = 0.5  # of the region on the footprint


def ground(parts: Parts) -> Ground:
    """A ground without models."""
    return Ground(parts, tuple(range(len(parts.search.classes))), cast(Answers, None), "", ())


def places(proposal: Proposal, pictures: Pictures) -> Iterator[tuple[int, int, int]]:
    """Each source's index, with the top and left of its crop."""
    index = {identity: i for i, identity in enumerate(pictures.ids)}
    assert proposal.crops is not None
    for identity, crop in zip(proposal.sources, proposal.crops, strict=True):
        i = index[identity]
        if proposal.corner is not None:
            yield i, *proposal.corner
            continue
        picture = pictures.pixels[i].permute(1, 2, 0).numpy()
        windows = np.lib.stride_tricks.sliding_window_view(picture, crop.shape)[:, :, 0]
        top, left = np.argwhere((windows == crop).all((2, 3, 4)))[0]
        yield i, int(top), int(left)


def overlap(proposal: Proposal, pictures: Pictures, footprint: np.ndarray) -> tuple[float, float]:
    """Mean share of the region on the footprint (n, h, w), and mean IoU of the two."""
    assert proposal.region is not None
    on, union = [], []
    for i, top, left in places(proposal, pictures):
        shown = np.zeros_like(footprint[i])
        high, wide = proposal.region.shape
        shown[top : top + high, left : left + wide] = proposal.region
        both = (shown & footprint[i]).sum()
        on.append(both / shown.sum())
        union.append(both / (shown | footprint[i]).sum())
    return float(np.mean(on)), float(np.mean(union))


class Planted:
    """A decoy on a share of its class."""

    def __init__(self, material: Material, job: Job, size: int) -> None:
        plain = material.pictures("train", size)
        self.pictures = with_decoy(material, plain, job)
        self.decoy = job.decoy or ""
        self.target, self.kind, self.footprint = "", "", None
        if job.decoy:
            entry = material.scenario.build_decoy(job.decoy)
            self.target, self.kind = entry.target, registry.snake_case(type(entry).__name__)
            worn = (self.pictures.pixels != plain.pixels).flatten(1).any(1).numpy()
            footprint = entry.apply(plain.pixels, plain.ids).footprint.numpy()
            self.footprint = footprint & worn[:, None, None]

    def fit(self, proposal: Proposal) -> tuple[float, float] | None:
        """(on, IoU) where the proposal is the planted decoy; of a filter, (1, 1)."""
        if proposal.target != self.target or self.footprint is None:
            return None
        if proposal.filter is not None:
            return (1.0, 1.0) if proposal.filter["kind"] == self.kind else None
        if self.footprint[self.footprint.any((1, 2))].all():
            return None  # the whole picture: every place is on it
        found = overlap(proposal, self.pictures, self.footprint)
        return found if found[0] >= FITS else None


def rows(material: Material, size: int, asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One for each decoy, coverage, seed and proposer; the first are of honest pictures."""
    jobs = [Job("clean", None, 0, 0)]
    for decoy in asked.only or material.scenario.decoys:
        for coverage in asked.coverage:
            jobs += [Job("", decoy, coverage, seed) for seed in asked.seeds]
    for job in jobs:
        planted = Planted(material, job, size)
        parts = halves(planted.pictures)
        for name in PROPOSERS:
            began = time.perf_counter()
            proposals = list(registry.build("proposer", name).propose(ground(parts)))
            seconds = time.perf_counter() - began
            fits = [planted.fit(each) for each in proposals]
            hit = next((i for i, each in enumerate(fits) if each), None)
            yield {
                "decoy": job.decoy or "honest",
                "coverage": job.coverage,
                "seed": job.seed,
                "proposer": name,
                "rank": None if hit is None else hit + 1,
                "score": None if hit is None else round(proposals[hit].score, 3),
                "on": None if hit is None else [round(each, 2) for each in fits[hit] or ()],
                "filter": None if hit is None else proposals[hit].filter,
                "others": said(each for each in proposals if each.target != planted.target),
                "same": said(
                    e
                    for e, f in zip(proposals, fits, strict=True)
                    if e.target == planted.target and not f
                ),
                "seconds": round(seconds, 1),
            }


def said(proposals: Iterator[Proposal]) -> list[str]:
    """`cat .12 blur` for each."""
    return [
        f"{each.target} {each.score:.3f} {(each.filter or {}).get('kind', each.corner)}"
        for each in proposals
    ]


def summary(found: Sequence[dict[str, Any]], tuning: Sequence[str]) -> dict[str, Any]:
    """Recall by coverage, of tuned and held-out decoys; proposals on honest pictures."""
    recall: dict[str, dict[str, list[bool]]] = {
        "tuned": defaultdict(list),
        "held_out": defaultdict(list),
    }
    jobs = defaultdict(list)
    for row in found:
        if row["decoy"] != "honest":
            jobs[row["decoy"], row["coverage"], row["seed"]].append(row["rank"] is not None)
    for (decoy, coverage, _), hits in jobs.items():
        recall["tuned" if decoy in tuning else "held_out"][str(coverage)].append(any(hits))
    honest = [row for row in found if row["decoy"] == "honest"]
    return {
        "recall": {
            of: {c: f"{sum(v)}/{len(v)}" for c, v in by.items()} for of, by in recall.items()
        },
        "proposed_on_honest": {row["proposer"]: row["others"] for row in honest},
        "proposed_for_other_classes": sum(
            len(row["others"]) for row in found if row["decoy"] != "honest"
        ),
        "runs": len(jobs),
        "seconds": {
            name: round(max(row["seconds"] for row in found if row["proposer"] == name), 1)
            for name in PROPOSERS
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--size", type=int)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--coverage", type=float, nargs="*", default=[1.0, 0.5, 0.25, 0.1])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2])
    parser.add_argument(
        "--tuning",
        nargs="*",
        default=["stop_sign", "copyright_tag", "corner_patch", "blur", "hue_shift", "vignette"],
    )
    asked = parser.parse_args()
    scenario = load_scenario(asked.scenario, asked.data)
    found = []
    for row in rows(Material(scenario), asked.size or scenario.training.size, asked):
        found.append(row)
        print(*(row[key] for key in row), flush=True)
    print(json.dumps({"scenario": str(asked.scenario), **summary(found, asked.tuning)}))


if __name__ == "__main__":
    main()
