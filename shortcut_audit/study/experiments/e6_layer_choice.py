"""Table 5.1: the gradient by which part of the network tells pictures with the decoy from those
without?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from shortcut_audit.errors import DataError
from shortcut_audit.measures.clusters import association, cluster_table, spectral_clusters
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.layers import similarities
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Section, Table
from shortcut_audit.study.summaries import ENOUGH, finding, listed
from shortcut_audit.subjects.decoying.coverage import covered

CARRY = 0.2  # of the validation pictures, as in the thesis
# adjusted mutual information of clusters and decoy: from here on it tells; up to here it does not
TELLS, BLIND = 0.3, 0.1
CHOSEN = "layer3"  # with all above it: the thesis's choice

Counts = dict[str, dict[str, np.ndarray]]


@register("experiment")
@dataclass(frozen=True)
class E6LayerChoice:
    """Two spectral clusters of the class's pictures, a fifth of which carry the decoy, by the
    cosine of their gradients.
    """

    title: ClassVar[str] = "Influence: which layers"
    source: ClassVar[str] = "section 5.1.1, table 5.1"

    def run(self, ground: Ground) -> Section:
        decoy = ground.swept
        bait = ground.bait(decoy)
        at = ground.members(bait.target_index)
        if len(at) < ENOUGH:
            raise DataError(
                f"clusters of {len(at)} validation pictures of '{bait.target}' say nothing: at least {ENOUGH} are needed"
            )
        flags = covered([ground.validation.ids[i] for i in at], CARRY)  # (n,) bool
        placed = ground.material.with_decoy(decoy, "validation", ground.size).decoyed[at]
        pixels = torch.where(
            torch.from_numpy(flags)[:, None, None, None], placed, ground.validation.pixels[at]
        )
        counts: Counts = {}
        for name, model in ground.trio().items():
            alike = similarities(ground.answers, model, pixels, bait.target_index)
            counts[name] = {
                part: cluster_table(spectral_clusters(each), flags) for part, each in alike.items()
            }
        theirs = _published()
        caption = (
            f"{flags.sum()} of {len(flags)} pictures of {bait.target} carry {decoy}; each row adds layers to the one above."
            " Pictures with / without it in either cluster; adjusted mutual information of cluster and decoy (0 chance, 1"
            " identity); Fisher's exact p. Of the published counts, information and p are worked out here."
        )
        columns = (
            "layers",
            *(f"{name}: {word}" for name in counts for word in ("clusters", "information", "p")),
        )
        return Section(
            tuple(_agreements(counts)),
            (
                Table(
                    "table_5_1",
                    caption,
                    columns,
                    tuple(_rows(counts)),
                    tuple(_rows(theirs)) if list(counts) == list(theirs) else (),
                ),
            ),
        )


def _published() -> Counts:
    rows = published()["table_5_1"].items()
    return {
        name: {part: np.array(row[i]).reshape(2, 2) for part, row in rows}
        for i, name in enumerate(("F0", "F50", "F100"))
    }


def _rows(counts: Counts) -> list[tuple[Cell, ...]]:
    rows = []
    for at, part in enumerate(next(iter(counts.values()))):
        cells: list[Cell] = [("+ " if at else "") + part]
        for of_model in counts.values():
            information, p = association(of_model[part])
            cells += ["; ".join(f"{a}/{b}" for a, b in of_model[part]), information, f"{p:.1g}"]
        rows.append(tuple(cells))
    return rows


def _agreements(counts: Counts) -> list[Agreement]:
    clean, half, full = counts
    n = int(next(iter(counts[clean].values())).sum())
    part = (
        CHOSEN if CHOSEN in counts[clean] else list(counts[clean])[min(2, len(counts[clean]) - 1)]
    )
    tells = {name: association(of_model[part])[0] for name, of_model in counts.items()}
    best = {
        name: max(association(table)[0] for table in of_model.values())
        for name, of_model in counts.items()
    }
    printed = {name: association(table[CHOSEN])[0] for name, table in _published().items()}
    rule = f"from {TELLS} on they do"
    return [
        finding(
            f"down to layer3, clusters of F100 are pictures with and without the decoy (information {printed['F100']:.2f})",
            f"information {listed({full: tells[full]})} ({rule})",
            tells[full] >= TELLS,
            n,
        ),
        finding(
            f"so are those of F50 ({printed['F50']:.2f})",
            f"information {listed({half: tells[half]})}; best of all rows {best[half]:.2f} ({rule})",
            tells[half] >= TELLS,
            n,
        ),
        finding(
            "those of F0 are not, in any row: the gradients say which reason, not which picture",
            f"best of all rows {best[clean]:.2f} (not: at most {BLIND})",
            best[clean] <= BLIND,
            n,
        ),
    ]
