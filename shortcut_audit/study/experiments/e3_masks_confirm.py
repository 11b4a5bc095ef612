"""Figures 3.3 to 3.5 and 3.7 to 3.9: does what a model needs to see lie on the decoy?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shortcut_audit.errors import DataError
from shortcut_audit.harness.wording import percent
from shortcut_audit.measures.masks import fills_picture, highlights, share_on_footprint
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground, Shown
from shortcut_audit.study.plots import PLAIN, WORN, as_picture, boxes, gallery
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.study.summaries import every, finding, quartiles

MOST = 0.5  # of a mask, from which on it lies on the decoy
HIGHLIGHTED = 0.9  # of the masks, as published
SHOWN = 6  # pictures in a gallery


@register("experiment")
@dataclass(frozen=True)
class E3MasksConfirm:
    """The share of what a mask reveals that lies on the stop sign; how many masks highlight the
    copyright tag.
    """

    title: ClassVar[str] = "Masks confirm the decoy"
    source: ClassVar[str] = "section 3.5, figures 3.3 to 3.5 and 3.7 to 3.9"

    def run(self, ground: Ground) -> Section:
        parts = []
        for part in (_stop_sign, _tags):
            try:
                parts.append(part(ground))
            except DataError as error:  # the scenario has one of the two
                parts.append(
                    Section((Agreement(f"the part on the {part.__name__[1:]}", str(error), None),))
                )
        return Section(
            *(
                sum((getattr(each, name) for each in parts), ())
                for name in ("agreements", "tables", "figures")
            )
        )


def _stop_sign(ground: Ground) -> Section:
    decoy, trio = ground.swept, ground.trio()
    worn = ground.groups(decoy, ground.scenario.masks.images)[0]
    assert worn.footprint is not None
    if fills_picture(worn.footprint):
        raise DataError(f"{decoy} fills the picture, so that every mask lies on it")
    masks = {name: ground.masks(model, worn) for name, model in trio.items()}
    values = {name: share_on_footprint(mask, worn.footprint) for name, mask in masks.items()}
    panels = {worn.label: list(values.items())}
    clean, *others = values.values()
    names = list(values)
    upper, middles = float(np.quantile(clean, 0.75)), [float(np.median(each)) for each in others]
    said = ", ".join(
        f"{name} {percent(middle)}" for name, middle in zip(names[1:], middles, strict=True)
    )
    rows = {
        name: [
            (as_picture(worn.pixels[i], mask[i]), percent(values[name][i]), "")
            for i in range(_few(worn))
        ]
        for name, mask in masks.items()
    }
    caption = "The share of what a mask reveals that is the decoy."
    return Section(
        (
            finding(
                "masks of F50 and F100 lie on the stop sign: medians at or close to 100 %",
                f"medians: {said} (the same from {percent(MOST)} on)",
                every(*(each >= MOST for each in middles)),
                len(clean),
            ),
            finding(
                "masks of F0 do not: only a quarter of them have more than 20 % on it",
                f"a quarter of F0's masks have more than {percent(upper)} on it",
                upper <= 0.2,
                len(clean),
            ),
        ),
        (quartiles("figure_3_9", caption, panels),),
        (
            Figure("figure_3_9", caption, boxes(panels, "share on the decoy", [PLAIN, WORN, WORN])),
            Figure(
                "figure_3_7",
                "What each model needs to see of the same pictures, and its share on the decoy.",
                gallery(rows),
            ),
        ),
    )


def _tags(ground: Ground) -> Section:
    """Masks for the decoy's class on tagged pictures of every class."""
    rows: list[tuple[Cell, ...]] = []
    pictures = {}
    for decoy, model in ground.tagged().items():
        of_class, *others = _tagged(ground, decoy)
        for name, groups in ((of_class.label, [of_class]), ("other classes", others)):
            pairs = [(ground.masks(model, shown), shown.footprint) for shown in groups]
            mask, footprint = (np.concatenate(each) for each in zip(*pairs, strict=True))
            hits, share = highlights(mask, footprint), share_on_footprint(mask, footprint)
            rows.append((decoy, name, float(hits.mean()), float(np.median(share)), len(mask)))
        masks = ground.masks(model, of_class)
        pictures[decoy] = [
            (as_picture(of_class.pixels[i], masks[i]), "", "") for i in range(_few(of_class))
        ]
    least = min(float(row[2] or 0) for row in rows)
    columns = (
        "decoy",
        "pictures",
        "masks that highlight the tag",
        "median share of the mask on the tag",
        "n",
    )
    caption = "A mask highlights the tag if at least half of it lies on the tag, or it shows at least half of the tag."
    return Section(
        (
            finding(
                "at least 90 % of the masks of each copyright tag model highlight the tag",
                f"at least {percent(least)} of any group's masks do",
                least >= HIGHLIGHTED,
                min(int(row[4] or 0) for row in rows),
            ),
        ),
        (Table("figure_3_3", caption, columns, tuple(rows)),),
        (
            Figure(
                "figure_3_3",
                "What the copyright tag models need to see (figures 3.3 to 3.5).",
                gallery(pictures),
            ),
        ),
    )


def _tagged(ground: Ground, decoy: str) -> list[Shown]:
    """Every class with the tag on, asked for the decoy's class; that class first."""
    placed, bait = ground.material.with_decoy(decoy, "validation", ground.size), ground.bait(decoy)
    order = [
        bait.target_index,
        *(i for i in range(len(ground.material.classes)) if i != bait.target_index),
    ]
    most = ground.scenario.masks.images
    # as many of all others together
    counts = [most, *[max(1, most // (len(order) - 1))] * (len(order) - 1)]
    found = []
    for target, count in zip(order, counts, strict=True):
        at = ground.members(target, count)
        footprint = placed.footprint[at].numpy()
        found.append(
            Shown(
                ground.material.classes[target],
                bait.target_index,
                placed.decoyed[at],
                True,
                footprint,
            )
        )
    return found


def _few(shown: Shown) -> int:
    return min(SHOWN, len(shown.pixels))
