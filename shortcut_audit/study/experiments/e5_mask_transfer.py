"""Figures 4.4 and A.3: does one model recognise a picture through another model's mask?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import ClassVar

import numpy as np

from shortcut_audit.measures.masks import transfer_drop, transfer_quotient
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground, Shown
from shortcut_audit.study.plots import Panels, boxes, colours_of
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.study.summaries import finding, highest, listed, lowest, median, quartiles

NEAR_ZERO = 0.1  # of the softmax score
LARGE = 0.2  # of the softmax score
CUT = 2  # quotients above it are drawn at it

# (model, whose mask) -> median drop on the class with the decoy
Medians = dict[tuple[str, str], float]


@register("experiment")
@dataclass(frozen=True)
class E5MaskTransfer:
    """The class's softmax score through a model's own mask, and through another model's mask.

    Compared are the difference of the two, and their quotient.
    """

    title: ClassVar[str] = "RQ2: do masks transfer?"
    source: ClassVar[str] = "section 4.2, figures 4.4 and A.3"

    def run(self, ground: Ground) -> Section:
        """Drops and quotients for each ordered pair of models on each group of pictures."""
        trio, groups = ground.trio(), ground.groups(ground.swept, ground.scenario.masks.images)
        drops: Panels = {}
        quotients: Panels = {}
        medians: Medians = {}
        own_scores: dict[str, float] = {}  # model -> median on the class with the decoy
        for name, other in permutations(trio, 2):
            panel = f"{name} on masks of {other}"
            drops[panel], quotients[panel] = [], []
            for shown in groups:
                own = _score(ground, trio[name], trio[name], shown)
                foreign = _score(ground, trio[name], trio[other], shown)
                drops[panel].append((shown.label, transfer_drop(own, foreign)))
                quotients[panel].append((shown.label, transfer_quotient(own, foreign)))
                if shown.decoyed:
                    own_scores[name] = median(own)
                    medians[name, other] = median(transfer_drop(own, foreign))
        agreements = _agreements(medians, own_scores, len(groups[0].pixels))
        colours = colours_of(groups)
        return _section(agreements, _table(medians, own_scores), drops, quotients, colours)


def _score(ground: Ground, model: str, mask_of: str, shown: Shown) -> np.ndarray:
    """(n,) softmax score of the pictures' class through the masks of the model `mask_of`."""
    masks = ground.masks(mask_of, shown)
    return ground.answers.score(model, shown.pixels, masks, shown.target)


def _section(
    agreements: list[Agreement],
    medians: Table,
    drops: Panels,
    quotients: Panels,
    colours: list[str],
) -> Section:
    """The two figures with their tables, beside the table of medians."""
    of_drops = (
        "Drop of the softmax score with another model's mask: bounded by the model's own score."
    )
    of_quotients = "The score through the other model's mask over that through the own."
    drawn = boxes(drops, "drop of the score", colours, line=0)
    cut = boxes(_capped(quotients), f"quotient, cut at {CUT}", colours, line=1)
    return Section(
        tuple(agreements),
        (
            medians,
            quartiles("figure_4_4", of_drops, drops),
            quartiles("figure_a_3", of_quotients, quotients),
        ),
        (Figure("figure_4_4", of_drops, drawn), Figure("figure_a_3", of_quotients, cut)),
    )


def _capped(panels: Panels) -> Panels:
    """The same values, none above CUT."""
    capped: Panels = {}
    for name, panel in panels.items():
        capped[name] = [(label, np.minimum(values, CUT)) for label, values in panel]
    return capped


def _table(medians: Medians, own: dict[str, float]) -> Table:
    """The median drop of each ordered pair of models, beside the published ones."""
    rows: list[tuple[Cell, ...]] = []
    for (model, other), drop in medians.items():
        rows.append((model, other, drop, own[model]))
    theirs = tuple((model, other, drop, None) for model, other, drop in published()["figure_4_4"])
    columns = (
        "model",
        "mask of",
        "median drop, class with decoy",
        "median score through the own mask",
    )
    caption = "Medians on pictures of the class with the decoy; published ones are the text's."
    return Table("figure_4_4_medians", caption, columns, tuple(rows), theirs)


def _agreements(medians: Medians, own: dict[str, float], n: int) -> list[Agreement]:
    """Three findings on the median drops; `n` is the number of pictures behind each of them."""
    clean, half, full = own
    among = _named(medians, (half, full), (full, half))
    across = _named(medians, (clean, half), (clean, full))
    drop, largest = medians[full, clean], max(medians.values())
    return [
        finding(
            "decoy models recognise the class through each other's masks: medians about 0",
            f"{listed(among)} (about 0: at most {NEAR_ZERO})",
            highest(among) <= NEAR_ZERO,
            n,
        ),
        finding(
            "F100 does not through F0's masks: median .75, the largest of all",
            f"{full} with {clean}'s {drop:.2f}; the largest is {largest:.2f} "
            f"(the same from {LARGE} on and within {NEAR_ZERO} of the largest)",
            drop >= LARGE and drop >= largest - NEAR_ZERO,
            n,
        ),
        finding(
            "F0 loses too with the masks of decoy models: about .25 with F50's, .35 with F100's",
            f"{listed(across)}; its own score is {own[clean]:.2f}, which bounds the drop "
            f"(a loss: more than {NEAR_ZERO})",
            lowest(across) > NEAR_ZERO,
            n,
        ),
    ]


def _named(medians: Medians, *pairs: tuple[str, str]) -> dict[str, float]:
    """`F50 with F100's` -> the median drop of these pairs."""
    return {f"{model} with {other}'s": medians[model, other] for model, other in pairs}
