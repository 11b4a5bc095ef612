"""Tables 3.1 to 3.3: what a copyright tag does to each class.

In training every picture of one class, the decoy's, carried the tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shortcut_audit.registry import register
from shortcut_audit.reporting.wording import percent
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Section, Table
from shortcut_audit.study.summaries import finding

TABLES = {"bottom_left": "table_3_1", "random_corner": "table_3_2", "random_position": "table_3_3"}
NEEDED = 0.2  # of the class's accuracy must go with the tag for "needs it"
# of the published mean rate counts as the same finding: classes and pictures are others here
HALF = 0.5
SHOWN = 50  # pictures of each class, in the thesis


@register("experiment")
@dataclass(frozen=True)
class E1CopyrightTag:
    """Accuracy per class with and without the tag, and how often the tag decides the answer."""

    title: ClassVar[str] = "Copyright tag: what it does to each class"
    source: ClassVar[str] = "section 3.3, tables 3.1 to 3.3"

    def run(self, ground: Ground) -> Section:
        """One table and two findings for each copyright tag of the scenario."""
        tables: list[Table] = []
        agreements: list[Agreement] = []
        for decoy, model in ground.tagged().items():
            rates = _rates(ground, decoy, model)
            placement = getattr(ground.scenario.build_decoy(decoy), "placement", "")
            name = TABLES.get(placement, "")
            # a second tag at such a place has no published table
            if not name or name in [table.name for table in tables]:
                name = f"table_{decoy}"
            tables.append(_table(ground, name, decoy, model, rates))
            agreements += _agreements(ground, decoy, rates, published().get(name, {}))
        return Section(tuple(agreements), tuple(tables))


def _rates(ground: Ground, decoy: str, model: str) -> np.ndarray:
    """(k, 3) shares in [0, 1] of each class's pictures.

    The columns are: right without the tag, right with it, called the decoy's class with it.
    """
    labels = ground.validation.labels
    plain = ground.answers.logits(model, ground.validation.pixels).argmax(1)  # (n,)
    tagged = ground.answers.logits(model, ground.placed(decoy).decoyed).argmax(1)  # (n,)
    named_decoy = ground.named_decoy(decoy).target_index
    rows = []
    for i in range(len(ground.material.classes)):
        of_class = labels == i
        right, right_with_tag = plain[of_class] == i, tagged[of_class] == i
        rows.append([_mean(right), _mean(right_with_tag), _mean(tagged[of_class] == named_decoy)])
    return np.array(rows)


def _mean(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else float("nan")


def _table(ground: Ground, name: str, decoy: str, model: str, rates: np.ndarray) -> Table:
    """The rates of each class, the decoy's class first."""
    named_decoy = ground.named_decoy(decoy)
    rows: list[tuple[Cell, ...]] = []
    for i in ground.beginning_with(named_decoy.target_index):
        n = int((ground.validation.labels == i).sum())
        rows.append((ground.material.classes[i], *rates[i].tolist(), n))
    theirs = tuple((label, *row, SHOWN) for label, row in published().get(name, {}).items())
    columns = (
        "class",
        "right without the tag",
        "right with the tag",
        f"called {named_decoy.target} with the tag",
        "n",
    )
    caption = (
        f"{model}: every training image of {named_decoy.target} carried {decoy}. "
        "Published: tench, ResNet50, ImageNet-10."
    )
    return Table(name, caption, columns, tuple(rows), theirs)


def _agreements(
    ground: Ground, decoy: str, rates: np.ndarray, theirs: dict[str, list[float]]
) -> list[Agreement]:
    """Two findings on the rates (k, 3); `theirs` are the published ones, class -> three rates."""
    named_decoy = ground.named_decoy(decoy)
    of_bait = np.arange(len(rates)) == named_decoy.target_index
    counts = np.bincount(ground.validation.labels, minlength=len(rates))  # (k,)
    without, with_tag = rates[of_bait][0, :2]
    called = float(rates[~of_bait, 2].mean())
    there, mean = _published_rates(theirs)
    return [
        finding(
            f"{decoy}: without the tag the class is recognised far less: accuracy falls{there}",
            f"{with_tag:.2f} with it, {without:.2f} without "
            f"(the same from a fall of {NEEDED:g} on)",
            with_tag - without >= NEEDED,
            int(of_bait @ counts),
        ),
        finding(
            f"{decoy}: tagged images of other classes are called the decoy's class, "
            f"{percent(mean)} of them on average",
            f"{percent(called)} are called {named_decoy.target} (the same from half of that on)",
            called >= HALF * mean,
            int(counts[~of_bait].min()),
        ),
    ]


def _published_rates(theirs: dict[str, list[float]]) -> tuple[str, float]:
    """How far tench's accuracy falls, in words, and the mean rate of the other classes.

    Where the thesis has no such table it says nothing of a fall, and the mean rate is a half.
    """
    if not theirs:
        return "", HALF
    without, with_tag, _ = theirs["tench"]
    called = [row[2] for name, row in theirs.items() if name != "tench"]
    return f" from {with_tag:.2f} to {without:.2f}", float(np.mean(called))
