"""Tables 3.1 to 3.3: what a copyright tag does to each class, where every training image of one
class carried it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shortcut_audit.harness.wording import percent
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Section, Table
from shortcut_audit.study.summaries import finding

TABLES = {"bottom_left": "table_3_1", "random_corner": "table_3_2", "random_position": "table_3_3"}
NEEDED = 0.2  # of the class's accuracy must go with the tag for "needs it"
HALF = 0.5  # of the published mean rate counts as the same finding, for other classes and pictures


@register("experiment")
@dataclass(frozen=True)
class E1CopyrightTag:
    """Accuracy per class without and with the tag, and how often a tagged image is taken for the
    decoy's class.
    """

    title: ClassVar[str] = "Copyright tag: what it does to each class"
    source: ClassVar[str] = "section 3.3, tables 3.1 to 3.3"

    def run(self, ground: Ground) -> Section:
        tables: list[Table] = []
        agreements: list[Agreement] = []
        for decoy, model in ground.tagged().items():
            rates = _rates(ground, decoy, model)  # (k, 3)
            options = ground.scenario.build_decoy(decoy)
            name = TABLES.get(options.placement, "")
            # a second tag at such a place has no published table
            if not name or name in [table.name for table in tables]:
                name = f"table_{decoy}"
            tables.append(_table(ground, name, decoy, model, rates))
            agreements += _agreements(ground, decoy, rates, published().get(name, {}))
        return Section(tuple(agreements), tuple(tables))


def _rates(ground: Ground, decoy: str, model: str) -> np.ndarray:
    """(k, 3) for each class: right without the tag, right with it, called the decoy's class with
    it.
    """
    labels = ground.validation.labels
    plain = ground.answers.logits(model, ground.validation.pixels).argmax(1)
    tagged = ground.answers.logits(
        model, ground.material.with_decoy(decoy, "validation", ground.size).decoyed
    ).argmax(1)
    bait = ground.bait(decoy).target_index
    shown = [labels == i for i in range(len(ground.material.classes))]
    rows = [
        [_mean(plain[of] == i), _mean(tagged[of] == i), _mean(tagged[of] == bait)]
        for i, of in enumerate(shown)
    ]
    return np.array(rows)


def _mean(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else float("nan")


def _table(ground: Ground, name: str, decoy: str, model: str, rates: np.ndarray) -> Table:
    bait = ground.bait(decoy)
    order = [bait.target_index, *(i for i in range(len(rates)) if i != bait.target_index)]
    rows: list[tuple[Cell, ...]] = [
        (
            ground.material.classes[i],
            *(float(x) for x in rates[i]),
            int((ground.validation.labels == i).sum()),
        )
        for i in order
    ]
    theirs = tuple((label, *row, 50) for label, row in published().get(name, {}).items())
    columns = (
        "class",
        "right without the tag",
        "right with the tag",
        f"called {bait.target} with the tag",
        "n",
    )
    caption = f"{model}: every training image of {bait.target} carried {decoy}. Published: tench, ResNet50, ImageNet-10."
    return Table(name, caption, columns, tuple(rows), theirs)


def _agreements(
    ground: Ground, decoy: str, rates: np.ndarray, theirs: dict[str, list[float]]
) -> list[Agreement]:
    bait = ground.bait(decoy)
    of_bait = np.arange(len(rates)) == bait.target_index
    counts = np.bincount(ground.validation.labels, minlength=len(rates))  # (k,)
    without, with_tag = rates[of_bait][0, :2]
    called = float(rates[~of_bait, 2].mean())
    said, rest = theirs.get("tench"), [row[2] for name, row in theirs.items() if name != "tench"]
    there = f" from {said[1]:.2f} to {said[0]:.2f}" if said else ""
    mean = float(np.mean(rest)) if rest else HALF
    return [
        finding(
            f"{decoy}: without the tag the class is recognised far less: accuracy falls{there}",
            f"{with_tag:.2f} with it, {without:.2f} without (the same from a fall of {NEEDED:g} on)",
            with_tag - without >= NEEDED,
            int(of_bait @ counts),
        ),
        finding(
            f"{decoy}: tagged images of other classes are called the decoy's class, {percent(mean)} of them on average",
            f"{percent(called)} are called {bait.target} (the same from half of that on)",
            called >= HALF * mean,
            int(counts[~of_bait].min()),
        ),
    ]
