"""Do models that were made to differ look elsewhere, more than another seed does? For
docs/rashomon_sets.md.

python benchmarks/rashomon_sets.py SCENARIO FIRST FILE... [--images 60] [--area 0.05] [--decoy
stop_sign]

FIRST and FILEs are checkpoints. Masks are of the decoy's class, on plain validation pictures of
that class.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from shortcut_audit import registry
from shortcut_audit.evidence.masks.area import mask_of_area
from shortcut_audit.measures.masks import chance_corrected, iou, share_on_footprint, similarity
from shortcut_audit.records import Subject
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.loading.subject import load_subject
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.pictures.material import Material


def subject(file: Path, classes: tuple[str, ...]) -> Subject:
    return load_subject(read_candidates(file)[0], classes)


def classes_of(model: Subject, pixels: torch.Tensor) -> np.ndarray:
    """(n,) predicted classes."""
    with torch.inference_mode():
        return np.concatenate(
            [model.network(part / 255).argmax(1).numpy() for part in pixels.split(256)]
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--images", type=int, default=60)
    parser.add_argument("--area", type=float, default=0.05)
    parser.add_argument("--decoy", default="stop_sign")
    asked = parser.parse_args()
    scenario = load_scenario(asked.scenario)
    material, size = Material(scenario), scenario.training.size
    pictures, placed = (
        material.pictures("validation", size),
        material.with_decoy(asked.decoy, "validation", size),
    )
    target = material.named_decoy(asked.decoy).target_index
    members = material.members(asked.decoy, "validation", size)
    chosen, others = members[: asked.images], np.setdiff1d(np.arange(len(pictures.labels)), members)
    explainer = registry.build("explainer", scenario.masks.explainer, scenario.masks.options)

    def masks(model: Subject, pixels: torch.Tensor) -> np.ndarray:
        targets = torch.full((len(chosen),), target)
        return mask_of_area(
            explainer.explain(model.network, pixels[chosen] / 255, targets, asked.area), asked.area
        ).numpy()

    print("| model | accuracy | of the class | like the first | IoU | beyond chance | like the one before | on the object | "
          "on the decoy | decoy makes it the class | control |")  # fmt: skip
    print(f"|{' --- |' * 11}")
    first = before = None
    objects = None if pictures.objects is None else pictures.objects[chosen].numpy()
    for file in asked.files:
        model = subject(file, material.classes)
        plain = classes_of(model, pictures.pixels)
        seen = masks(model, pictures.pixels)
        first, before = (seen, seen) if first is None else (first, before)
        on = share_on_footprint(
            masks(model, placed.decoyed), placed.footprint[chosen].numpy()
        ).mean()
        fooled, control = (
            float((classes_of(model, each[others]) == target).mean())
            for each in (placed.decoyed, placed.control)
        )
        shares = (plain == pictures.labels).mean(), (plain[members] == target).mean()
        alike = [
            each.mean()
            for each in (
                similarity(first, seen),
                iou(first, seen),
                chance_corrected(first, seen, objects),
            )
        ]
        alike.append(similarity(before, seen).mean())
        inside = np.nan if objects is None else share_on_footprint(seen, objects).mean()
        before = seen
        cells = [f"{each:.3f}" for each in (*shares, *alike, inside, on, fooled, control)]
        print(f"| {file.parent.name}/{file.stem} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
