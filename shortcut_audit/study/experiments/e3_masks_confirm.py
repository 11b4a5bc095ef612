"""Figures 3.3 to 3.5 and 3.7 to 3.9: does what a model needs to see lie on the decoy?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shortcut_audit.errors import DataError
from shortcut_audit.measures.masks import fills_picture, highlights, share_on_footprint
from shortcut_audit.registry import register
from shortcut_audit.reporting.wording import percent
from shortcut_audit.study.ground import Ground, Shown
from shortcut_audit.study.plots import PLAIN, WORN, as_picture, boxes, gallery
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.study.summaries import finding, lowest, quartiles

MOST = 0.5  # of a mask, from which on it lies on the decoy
HIGHLIGHTED = 0.9  # of the masks, as published
FEW = 0.2  # of a mask: only a quarter of F0's masks have more on the decoy, as published
SHOWN = 6  # pictures in a gallery


@register("experiment")
@dataclass(frozen=True)
class E3MasksConfirm:
    """The share of a mask on the stop sign, and how many masks highlight the copyright tag."""

    title: ClassVar[str] = "Masks confirm the decoy"
    source: ClassVar[str] = "section 3.5, figures 3.3 to 3.5 and 3.7 to 3.9"

    def run(self, ground: Ground) -> Section:
        """The part on the stop sign and the part on the tags; a scenario may have one of them."""
        agreements: list[Agreement] = []
        tables: list[Table] = []
        figures: list[Figure] = []
        for name, part in (("stop_sign", _stop_sign), ("tags", _tags)):
            try:
                section = part(ground)
            except DataError as error:
                section = Section((Agreement(f"the part on the {name}", str(error), None),))
            agreements += section.agreements
            tables += section.tables
            figures += section.figures
        return Section(tuple(agreements), tuple(tables), tuple(figures))


def _stop_sign(ground: Ground) -> Section:
    """Masks on pictures of the decoy's class with the decoy, of models of three coverages."""
    decoy, trio = ground.swept, ground.trio()
    worn = ground.groups(decoy, ground.scenario.masks.images)[0]
    assert worn.footprint is not None
    if fills_picture(worn.footprint):
        raise DataError(f"{decoy} fills the picture, so that every mask lies on it")
    shares: dict[str, np.ndarray] = {}  # model -> (n,) of each mask, on the decoy
    rows = {}
    for name, model in trio.items():
        masks = ground.masks(model, worn)
        shares[name] = share_on_footprint(masks, worn.footprint)
        titles = [percent(share) for share in shares[name]]
        rows[name] = _pictures(worn, masks, titles)
    panels = {worn.label: list(shares.items())}
    caption = "The share of what a mask reveals that is the decoy."
    seen = "What each model needs to see of the same pictures, and its share on the decoy."
    drawing = boxes(panels, "share on the decoy", [PLAIN, WORN, WORN])
    return Section(
        tuple(_agreements(shares)),
        (quartiles("figure_3_9", caption, panels),),
        (Figure("figure_3_9", caption, drawing), Figure("figure_3_7", seen, gallery(rows))),
    )


def _pictures(
    shown: Shown, masks: np.ndarray, titles: list[str]
) -> list[tuple[np.ndarray, str, str]]:
    """A gallery's row: the first pictures through their masks (n, h, w), each with its title."""
    row = []
    for pixels, mask, title in zip(shown.pixels[:SHOWN], masks, titles, strict=False):
        row.append((as_picture(pixels, mask), title, ""))
    return row


def _agreements(shares: dict[str, np.ndarray]) -> list[Agreement]:
    """Two findings on the shares of each model's masks, the clean model first."""
    clean, *decoyed = shares
    upper = float(np.quantile(shares[clean], 0.75))
    medians, said = {}, []
    for name in decoyed:
        medians[name] = float(np.median(shares[name]))
        said.append(f"{name} {percent(medians[name])}")
    n = len(shares[clean])
    return [
        finding(
            "masks of F50 and F100 lie on the stop sign: medians at or close to 100 %",
            f"medians: {', '.join(said)} (the same from {percent(MOST)} on)",
            lowest(medians) >= MOST,
            n,
        ),
        finding(
            "masks of F0 do not: only a quarter of them have more than 20 % on it",
            f"a quarter of F0's masks have more than {percent(upper)} on it",
            upper <= FEW,
            n,
        ),
    ]


def _tags(ground: Ground) -> Section:
    """Masks for the decoy's class on tagged pictures of every class."""
    rows: list[tuple[Cell, ...]] = []
    highlighted: list[float] = []  # the share of masks that highlight the tag, of each row
    counts: list[int] = []  # masks behind it
    pictures = {}
    for decoy, model in ground.tagged().items():
        of_class, *others = _tagged(ground, decoy)
        for name, groups in ((of_class.label, [of_class]), ("other classes", others)):
            masks, footprint = _all_masks(ground, model, groups)
            hits = float(highlights(masks, footprint).mean())
            share = float(np.median(share_on_footprint(masks, footprint)))
            rows.append((decoy, name, hits, share, len(masks)))
            highlighted.append(hits)
            counts.append(len(masks))
        masks = ground.masks(model, of_class)
        pictures[decoy] = _pictures(of_class, masks, [""] * len(masks))
    least = min(highlighted)
    shown = "What the copyright tag models need to see (figures 3.3 to 3.5)."
    return Section(
        (
            finding(
                "at least 90 % of the masks of each copyright tag model highlight the tag",
                f"at least {percent(least)} of any group's masks do",
                least >= HIGHLIGHTED,
                min(counts),
            ),
        ),
        (_tag_table(rows),),
        (Figure("figure_3_3", shown, gallery(pictures)),),
    )


def _all_masks(ground: Ground, model: str, groups: list[Shown]) -> tuple[np.ndarray, np.ndarray]:
    """(n, h, w) bool masks of all groups' pictures, and (n, h, w) bool where the decoy is."""
    masks, footprints = [], []
    for shown in groups:
        assert shown.footprint is not None
        masks.append(ground.masks(model, shown))
        footprints.append(shown.footprint)
    return np.concatenate(masks), np.concatenate(footprints)


def _tag_table(rows: list[tuple[Cell, ...]]) -> Table:
    columns = (
        "decoy",
        "pictures",
        "masks that highlight the tag",
        "median share of the mask on the tag",
        "n",
    )
    caption = (
        "A mask highlights the tag if at least half of it lies on the tag, "
        "or it shows at least half of the tag."
    )
    return Table("figure_3_3", caption, columns, tuple(rows))


def _tagged(ground: Ground, decoy: str) -> list[Shown]:
    """Pictures of every class with the tag on them, asked for the decoy's class; that class first.

    There are as many of the other classes together as of the decoy's class.
    """
    placed, named_decoy = ground.placed(decoy), ground.named_decoy(decoy)
    most = ground.scenario.masks.images
    groups = []
    for i in ground.beginning_with(named_decoy.target_index):
        others = len(ground.material.classes) - 1
        at = ground.members(i, most if i == named_decoy.target_index else max(1, most // others))
        label, footprint = ground.material.classes[i], placed.footprint[at].numpy()
        groups.append(Shown(label, named_decoy.target_index, placed.decoyed[at], True, footprint))
    return groups
