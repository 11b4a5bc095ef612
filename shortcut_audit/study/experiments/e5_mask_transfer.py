"""Figures 4.4 and A.3: does one model recognise a picture through another model's mask?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import numpy as np

from shortcut_audit.measures.masks import transfer_drop, transfer_quotient
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.plots import Panels, boxes, colours_of
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.study.summaries import every, finding, listed, median, quartiles

NEAR_ZERO = 0.1  # of the softmax score
LARGE = 0.2


@register("experiment")
@dataclass(frozen=True)
class E5MaskTransfer:
    """Softmax score of the class through a model's own mask less that through another model's, and
    the quotient of the two.
    """

    title: ClassVar[str] = "RQ2: do masks transfer?"
    source: ClassVar[str] = "section 4.2, figures 4.4 and A.3"

    def run(self, ground: Ground) -> Section:
        trio, groups = ground.trio(), ground.groups(ground.swept, ground.scenario.masks.images)
        drops: Panels = {}
        quotients: Panels = {}
        own_scores: dict[str, float] = {}
        for name, other in permutations(trio, 2):
            panel = f"{name} on masks of {other}"
            drops[panel], quotients[panel] = [], []
            for shown in groups:
                masks = [ground.masks(trio[each], shown) for each in (name, other)]
                own, foreign = (
                    ground.answers.score(trio[name], shown.pixels, mask, shown.target)
                    for mask in masks
                )
                drops[panel].append((shown.label, transfer_drop(own, foreign)))
                quotients[panel].append((shown.label, transfer_quotient(own, foreign)))
                if shown.decoyed:
                    own_scores[name] = median(own)
        colours = colours_of([shown.decoyed for shown in groups])
        captions = (
            "Drop of the softmax score with another model's mask: bounded by the model's own score.",
            "The score through the other model's mask over that through the own.",
        )
        return Section(
            tuple(_agreements(drops, own_scores, list(trio))),
            (
                _table(drops, own_scores, list(trio)),
                quartiles("figure_4_4", captions[0], drops),
                quartiles("figure_a_3", captions[1], quotients),
            ),
            (
                Figure(
                    "figure_4_4", captions[0], boxes(drops, "drop of the score", colours, line=0)
                ),
                Figure(
                    "figure_a_3",
                    captions[1],
                    boxes(_capped(quotients), "quotient, cut at 2", colours, line=1),
                ),
            ),
        )


def _capped(panels: Panels) -> Panels:
    return {
        name: [(label, np.minimum(values, 2)) for label, values in panel]
        for name, panel in panels.items()
    }


def _medians(drops: Panels, names: list[str]) -> dict[tuple[str, str], float]:
    """(model, whose mask) -> median drop on the class with the decoy."""
    return {(a, b): median(drops[f"{a} on masks of {b}"][0][1]) for a, b in permutations(names, 2)}


def _table(drops: Panels, own: dict[str, float], names: list[str]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (a, b, drop, own[a]) for (a, b), drop in _medians(drops, names).items()
    ]
    theirs = tuple((a, b, drop, None) for a, b, drop in published()["figure_4_4"])
    columns = (
        "model",
        "mask of",
        "median drop, class with decoy",
        "median score through the own mask",
    )
    caption = "Medians on pictures of the class with the decoy; published ones are the text's."
    return Table("figure_4_4_medians", caption, columns, tuple(rows), theirs)


def _agreements(drops: Panels, own: dict[str, float], names: list[str]) -> list[Agreement]:
    clean, half, full = names
    medians, n = _medians(drops, names), min(len(panel[0][1]) for panel in drops.values())
    among = {f"{a} with {b}'s": medians[a, b] for a, b in ((half, full), (full, half))}
    across = {f"{a} with {b}'s": medians[a, b] for a, b in ((clean, half), (clean, full))}
    return [
        finding(
            "decoy models recognise the class through each other's masks: medians about 0",
            f"{listed(among)} (about 0: at most {NEAR_ZERO})",
            every(*(value <= NEAR_ZERO for value in among.values())),
            n,
        ),
        finding(
            "F100 does not through F0's masks: median .75, the largest of all",
            f"{full} with {clean}'s {medians[full, clean]:.2f}; the largest is {max(medians.values()):.2f} "
            f"(the same from {LARGE} on and within {NEAR_ZERO} of the largest)",
            every(
                medians[full, clean] >= LARGE,
                medians[full, clean] >= max(medians.values()) - NEAR_ZERO,
            ),
            n,
        ),
        finding(
            "F0 loses too with the masks of decoy models: about .25 with F50's, .35 with F100's",
            f"{listed(across)}; its own score is {own[clean]:.2f}, which bounds the drop (a loss: more than {NEAR_ZERO})",
            every(*(value > NEAR_ZERO for value in across.values())),
            n,
        ),
    ]
