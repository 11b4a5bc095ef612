"""Figures 4.2 and 4.3: do two models look at the same place?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from matplotlib.figure import Figure as Drawing

from shortcut_audit.measures.masks import iou, similarity
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground, Pair, Shown
from shortcut_audit.study.plots import Panels, as_picture, boxes, colours_of, gallery
from shortcut_audit.study.sections import Agreement, Figure, Section
from shortcut_audit.study.summaries import every, finding, listed, median, number, quartiles

NEAR_ZERO = 0.1  # similarity, at most
LIKE = 0.5  # of the other classes' median, from which on cats without the decoy are like them
SHOWN = 6


@register("experiment")
@dataclass(frozen=True)
class E4MaskSimilarity:
    """Pixels that two models' masks of a picture share, over the pixels of a mask."""

    title: ClassVar[str] = "RQ1: are two models' masks alike?"
    source: ClassVar[str] = "section 4.1, figures 4.2 and 4.3"

    def run(self, ground: Ground) -> Section:
        trio, groups = ground.trio(), ground.groups(ground.swept, ground.scenario.masks.images)
        masks = {
            name: [ground.masks(model, shown) for shown in groups] for name, model in trio.items()
        }
        panels, overlaps = (
            {
                pair.label: [
                    (shown.label, measure(a, b))
                    for shown, a, b in zip(
                        groups, masks[pair.first], masks[pair.second], strict=True
                    )
                ]
                for pair in ground.pairs()
            }
            for measure in (similarity, iou)
        )
        colours = colours_of([shown.decoyed for shown in groups])
        caption = "Similarity of two models' masks of one picture: pixels that both reveal, over the pixels of a mask."
        return Section(
            tuple(_agreements(ground.pairs(), panels)),
            (
                quartiles("figure_4_2", caption, panels),
                quartiles("figure_4_2_iou", "The same as intersection over union.", overlaps),
            ),
            (
                Figure("figure_4_2", caption, boxes(panels, "similarity", colours)),
                Figure(
                    "figure_4_3",
                    "Pictures without any decoy on which two models' masks differ most.",
                    _strangers(ground, groups[2:]),
                ),
            ),
        )


def _strangers(ground: Ground, groups: list[Shown]) -> Drawing:
    """The pictures of other classes on which the first two models' masks are least alike, through
    either mask.
    """
    models = list(ground.trio().items())[:2]
    masks = [
        np.concatenate([ground.masks(model, shown) for shown in groups]) for _, model in models
    ]
    pixels = torch.cat([shown.pixels for shown in groups])
    alike = similarity(*masks)
    least = np.argsort(alike, kind="stable")[:SHOWN]
    rows = {
        name: [(as_picture(pixels[i], mask[i]), number(alike[i]), "") for i in least]
        for (name, _), mask in zip(models, masks, strict=True)
    }
    return gallery(rows)


def _agreements(pairs: list[Pair], panels: Panels) -> list[Agreement]:
    clean = {pair.label: [each for _, each in panels[pair.label]] for pair in pairs[:2]}
    worn, plain = ({label: median(values[i]) for label, values in clean.items()} for i in range(2))
    rest = {label: median(np.concatenate(values[2:])) for label, values in clean.items()}
    zeros = float(
        np.mean(np.concatenate([each for values in clean.values() for each in values[1:]]) == 0)
    )
    n = min(len(each) for values in clean.values() for each in values)
    return [
        finding(
            "F0 against F50 or F100 is near 0 on the class with the decoy",
            f"medians: {listed(worn)} (near 0: at most {NEAR_ZERO})",
            every(*(each <= NEAR_ZERO for each in worn.values())),
            n,
        ),
        finding(
            "and like the other classes on the class without it",
            f"medians without it: {listed(plain)}; other classes: {listed(rest)} (like: at least half)",
            every(*(plain[label] >= LIKE * rest[label] for label in clean)),
            n,
        ),
        finding(
            "some pictures without any decoy have similarity 0: low similarity alone is no proof",
            f"{100 * zeros:.0f} % of them, F0 against the other two (some: more than none)",
            zeros > 0,
            n,
        ),
    ]
