"""Table 5.1: the gradient by which part of the network tells which pictures carry the decoy?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from shortcut_audit.errors import DataError
from shortcut_audit.measures.clusters import association, cluster_table, spectral_clusters
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.layers import similarities
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Section, Table
from shortcut_audit.study.summaries import ENOUGH, finding, listed

CARRY = 0.2  # of the validation pictures, as in the thesis
# adjusted mutual information of clusters and decoy: from here on it tells; up to here it does not
TELLS, BLIND = 0.3, 0.1
CHOSEN = "layer3"  # with all above it: the thesis's choice

# model -> part of the network -> (2, 2) counts: a row for each cluster, with and without the decoy
Counts = dict[str, dict[str, np.ndarray]]


@register("experiment")
@dataclass(frozen=True)
class E6LayerChoice:
    """Two spectral clusters of the class's pictures, by the cosine of their gradients.

    A fifth of the pictures carries the decoy.
    """

    title: ClassVar[str] = "Influence: which layers"
    source: ClassVar[str] = "section 5.1.1, table 5.1"

    def run(self, ground: Ground) -> Section:
        """The clusters of each model by each part of its network, and three findings."""
        decoy = ground.swept
        target = ground.named_decoy(decoy).target_index
        pixels, flags = _partly_decoyed(ground, decoy)
        counts: Counts = {}
        for name, model in ground.trio().items():
            counts[name] = {}
            for part, alike in similarities(ground.answers, model, pixels, target).items():
                counts[name][part] = cluster_table(spectral_clusters(alike), flags)
        caption = (
            f"{flags.sum()} of {len(flags)} pictures of {ground.named_decoy(decoy).target} "
            f"carry {decoy}; "
            "each row adds layers to the one above. "
            "Pictures with / without it in either cluster; adjusted mutual information of cluster "
            "and decoy (0 chance, 1 identity); Fisher's exact p. "
            "Of the published counts, information and p are worked out here."
        )
        columns = ["layers"]
        for name in counts:
            columns += [f"{name}: clusters", f"{name}: information", f"{name}: p"]
        theirs = _published()
        published_rows = _rows(theirs) if list(counts) == list(theirs) else []
        table = Table(
            "table_5_1", caption, tuple(columns), tuple(_rows(counts)), tuple(published_rows)
        )
        return Section(tuple(_agreements(counts)), (table,))


def _partly_decoyed(ground: Ground, decoy: str) -> tuple[Tensor, np.ndarray]:
    """The class's validation pictures (n, 3, h, w), and (n,) bool which of them carry the decoy.

    Raises:
        DataError: there are too few of them.
    """
    named_decoy = ground.named_decoy(decoy)
    at = ground.members(named_decoy.target_index)
    if len(at) < ENOUGH:
        raise DataError(
            f"clusters of {len(at)} validation pictures of '{named_decoy.target}' say nothing: "
            f"at least {ENOUGH} are needed"
        )
    flags = ground.carriers(at, CARRY)
    pixels = ground.validation.pixels[at]
    pixels[flags] = ground.placed(decoy).decoyed[at[flags]]
    return pixels, flags


def _published() -> Counts:
    """The thesis's counts of the three models."""
    rows = published()["table_5_1"].items()
    counts: Counts = {}
    for i, name in enumerate(("F0", "F50", "F100")):
        counts[name] = {part: np.array(row[i]).reshape(2, 2) for part, row in rows}
    return counts


def _rows(counts: Counts) -> list[tuple[Cell, ...]]:
    """A row for each part: for each model the clusters, the information, and p."""
    rows = []
    for at, part in enumerate(next(iter(counts.values()))):
        cells: list[Cell] = [f"+ {part}" if at else part]
        for of_model in counts.values():
            information, p = association(of_model[part])
            clusters = "; ".join(f"{a}/{b}" for a, b in of_model[part])
            cells += [clusters, information, f"{p:.1g}"]
        rows.append(tuple(cells))
    return rows


def _agreements(counts: Counts) -> list[Agreement]:
    """Three findings, on the chosen part or the one that is as far down in a smaller network."""
    clean, half, full = counts
    names = list(counts[clean])
    part = CHOSEN if CHOSEN in names else names[min(2, len(names) - 1)]
    found, best = {}, {}  # model -> information by the chosen part, and the most by any part
    for name, of_model in counts.items():
        information = {each: association(table)[0] for each, table in of_model.items()}
        found[name], best[name] = information[part], max(information.values())
    theirs = _published()
    of_half, of_full = association(theirs["F50"][CHOSEN])[0], association(theirs["F100"][CHOSEN])[0]
    rule = f"from {TELLS} on they do"
    n = int(counts[clean][names[0]].sum())
    return [
        finding(
            "down to layer3, clusters of F100 are pictures with and without the decoy "
            f"(information {of_full:.2f})",
            f"information {listed({full: found[full]})} ({rule})",
            found[full] >= TELLS,
            n,
        ),
        finding(
            f"so are those of F50 ({of_half:.2f})",
            f"information {listed({half: found[half]})}; "
            f"best of all rows {best[half]:.2f} ({rule})",
            found[half] >= TELLS,
            n,
        ),
        finding(
            "those of F0 are not, in any row: the gradients say which reason, not which picture",
            f"best of all rows {best[clean]:.2f} (not: at most {BLIND})",
            best[clean] <= BLIND,
            n,
        ),
    ]
