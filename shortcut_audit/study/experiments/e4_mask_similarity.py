"""Figures 4.2 and 4.3: do two models look at the same place?"""

from __future__ import annotations

from collections.abc import Callable
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
from shortcut_audit.study.summaries import finding, highest, listed, median, number, quartiles

NEAR_ZERO = 0.1  # similarity, at most
LIKE = 0.5  # of the other classes' median, from which on cats without the decoy are like them
SHOWN = 6  # pictures in a gallery

# model -> masks (n, h, w) bool of each group's pictures
Masks = dict[str, list[np.ndarray]]
# two models' masks (n, h, w) bool -> one number (n,) for each picture
Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


@register("experiment")
@dataclass(frozen=True)
class E4MaskSimilarity:
    """Pixels that two models' masks of a picture share, over the pixels of a mask."""

    title: ClassVar[str] = "RQ1: are two models' masks alike?"
    source: ClassVar[str] = "section 4.1, figures 4.2 and 4.3"

    def run(self, ground: Ground) -> Section:
        """Each pair's similarity on each group, and where two models' masks differ most."""
        trio, groups = ground.trio(), ground.groups(ground.swept, ground.scenario.masks.images)
        masks: Masks = {}
        for name, model in trio.items():
            masks[name] = [ground.masks(model, shown) for shown in groups]
        panels = _compared(ground.pairs(), groups, masks, similarity)
        overlaps = _compared(ground.pairs(), groups, masks, iou)
        caption = (
            "Similarity of two models' masks of one picture: pixels that both reveal, "
            "over the pixels of a mask."
        )
        tables = (
            quartiles("figure_4_2", caption, panels),
            quartiles("figure_4_2_iou", "The same as intersection over union.", overlaps),
        )
        colours = colours_of(groups)
        unlike = "Pictures without any decoy on which two models' masks differ most."
        figures = (
            Figure("figure_4_2", caption, boxes(panels, "similarity", colours)),
            Figure("figure_4_3", unlike, _least_alike(groups, masks)),
        )
        return Section(tuple(_agreements(ground.pairs(), panels)), tables, figures)


def _compared(pairs: list[Pair], groups: list[Shown], masks: Masks, measure: Measure) -> Panels:
    """Pair -> group -> one number for each picture."""
    panels: Panels = {}
    for pair in pairs:
        panels[pair.label] = []
        for i, shown in enumerate(groups):
            values = measure(masks[pair.first][i], masks[pair.second][i])
            panels[pair.label].append((shown.label, values))
    return panels


def _least_alike(groups: list[Shown], masks: Masks) -> Drawing:
    """The pictures of other classes on which the first two models' masks are least alike.

    Each is shown through either mask.
    """
    pixels = torch.cat([shown.pixels for shown in groups[2:]])
    one, other = list(masks)[:2]
    of_one, of_other = np.concatenate(masks[one][2:]), np.concatenate(masks[other][2:])
    alike = similarity(of_one, of_other)  # (n,)
    rows: dict[str, list[tuple[np.ndarray, str, str]]] = {one: [], other: []}
    for i in np.argsort(alike, kind="stable")[:SHOWN]:
        rows[one].append((as_picture(pixels[i], of_one[i]), number(alike[i]), ""))
        rows[other].append((as_picture(pixels[i], of_other[i]), number(alike[i]), ""))
    return gallery(rows)


def _agreements(pairs: list[Pair], panels: Panels) -> list[Agreement]:
    """Three findings on the two pairs of the clean model with a decoy model."""
    worn, plain, rest = {}, {}, {}  # pair -> median: with the decoy, without, of other classes
    undecoyed: list[np.ndarray] = []
    sizes = []
    for pair in pairs[:2]:
        values = [each for _, each in panels[pair.label]]
        worn[pair.label], plain[pair.label] = median(values[0]), median(values[1])
        rest[pair.label] = median(np.concatenate(values[2:]))
        undecoyed += values[1:]
        sizes += [len(each) for each in values]
    zeros = float(np.mean(np.concatenate(undecoyed) == 0))
    n = min(sizes)
    return [
        finding(
            "F0 against F50 or F100 is near 0 on the class with the decoy",
            f"medians: {listed(worn)} (near 0: at most {NEAR_ZERO})",
            highest(worn) <= NEAR_ZERO,
            n,
        ),
        finding(
            "and like the other classes on the class without it",
            f"medians without it: {listed(plain)}; other classes: {listed(rest)} "
            "(like: at least half)",
            all(plain[label] >= LIKE * rest[label] for label in plain),
            n,
        ),
        finding(
            "some pictures without any decoy have similarity 0: low similarity alone is no proof",
            f"{100 * zeros:.0f} % of them, F0 against the other two (some: more than none)",
            zeros > 0,
            n,
        ),
    ]
