"""Figures 5.4 to 5.6: do two models explain a picture by the same training pictures?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from shortcut_audit.measures.rankings import beyond_chance, spearman, top_k_intersection
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground, Pair, Shown
from shortcut_audit.study.plots import Panels, boxes, colours_of
from shortcut_audit.study.sections import Agreement, Figure, Section
from shortcut_audit.study.summaries import ENOUGH, count, finding, listed, median, number, quartiles

KS = (50, 150)
ABOVE = 0.05  # of the other groups' highest median, from which on the decoy's pictures stand out

# two models' scores (q, m) -> one number (q,) for each query
Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


@register("experiment")
@dataclass(frozen=True)
class E8InfluenceAgreement:
    """Spearman's rho and top-k intersection of two models' ranked lists.

    Only queries that both models get right count.
    """

    title: ClassVar[str] = "Influence: do two models rank alike?"
    source: ClassVar[str] = "sections 5.1.3 and 5.1.4, figures 5.4 to 5.6"

    def run(self, ground: Ground) -> Section:
        """Rho where a part of the class carries the decoy, and top k there and where all does."""
        partly = ground.scenario.influence.coverage
        groups = ground.groups(ground.swept, ground.scenario.influence.queries)
        m = min(len(ground.training(shown, ground.swept, partly)[0]) for shown in groups)
        # two rankings have much in common in a larger part of the list, whatever they are
        ks = [k for k in KS if k <= m // 2] or [max(1, m // 5)]
        rho = _compared(ground, groups, partly, spearman)
        carry = f"{partly:.0%} of the class's training pictures carry the decoy."
        words = f"Spearman's rho of two models' ranked lists; {carry}"
        colours = colours_of(groups)
        tables = [quartiles("figure_5_4", words, rho)]
        figures = [Figure("figure_5_4", words, boxes(rho, "rho", colours))]
        every = "every training picture of the class carries the decoy."
        for name, coverage, who in (("figure_5_5", partly, carry), ("figure_5_6", 1.0, every)):
            for k in ks:
                panels = _compared(ground, groups, coverage, partial(top_k_intersection, k=k))
                words = f"Share of the top k in common; {who} k = {k}."
                tables.append(quartiles(f"{name}_k{k}", words, panels))
                drawing = boxes(panels, "in common", colours)
                figures.append(Figure(f"{name}_k{k}", words, drawing))
        agreements = (_rank_correlation(ground.pairs(), rho), *_top_k(ground, groups, ks[-1]))
        return Section(agreements, tuple(tables), tuple(figures))


def _compared(ground: Ground, groups: list[Shown], coverage: float, measure: Measure) -> Panels:
    """Pair -> group -> one number for each query that both models get right."""
    trio, decoy = ground.trio(), ground.swept
    panels: Panels = {}
    for pair in ground.pairs():
        first, second = trio[pair.first], trio[pair.second]
        panels[pair.label] = []
        for shown in groups:
            right = ground.right(first, shown) & ground.right(second, shown)
            values = measure(
                ground.scores(first, shown, decoy, coverage),
                ground.scores(second, shown, decoy, coverage),
            )
            panels[pair.label].append((shown.label, values[right]))
    return panels


def _rank_correlation(pairs: list[Pair], rho: Panels) -> Agreement:
    """The finding on rho, of each pair on the class with the decoy and on the other groups."""
    half, full, decoyed = (pair.label for pair in pairs)
    worn, counts, others = {}, [], []
    for label, panel in rho.items():
        worn[label] = median(panel[0][1])
        counts.append(count(panel[0][1]))
        others += _medians_elsewhere(panel)
    lowest = min(others, default=float("nan"))
    return finding(
        "the lowest median rho is F0's with F100, then F0's with F50, on the class with the decoy",
        f"{listed(worn)}; the lowest of the other groups is {number(lowest)} "
        "(the same if in this order)",
        None if np.isnan(lowest) else worn[full] <= worn[half] < min(lowest, worn[decoyed]),
        min(counts),
    )


def _top_k(ground: Ground, groups: list[Shown], k: int) -> list[Agreement]:
    """Two findings on the last pair's top k.

    It is corrected for chance, so that classes with more and fewer training pictures compare.
    """

    def corrected(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return beyond_chance(top_k_intersection(a, b, k), k, a.shape[1])

    pair = ground.pairs()[2].label
    partly = _compared(ground, groups, ground.scenario.influence.coverage, corrected)[pair]
    fully = _compared(ground, groups, 1.0, corrected)[pair]
    part, full = median(partly[0][1]), median(fully[0][1])
    unknown = float("nan")
    of_part = _medians_elsewhere(partly) or [unknown]
    of_full = _medians_elsewhere(fully) or [unknown]
    highest = max(of_part)
    low, high = min(of_full), max(of_full)
    known = not np.isnan(highest) and not np.isnan(low)
    return [
        finding(
            f"F50 and F100 share more of their top {k} on the class with the decoy than elsewhere, "
            "where part of it carries it",
            f"beyond chance, median {number(part)} against {number(highest)} at most elsewhere "
            f"(more: by {ABOVE})",
            part >= highest + ABOVE if known else None,
            count(partly[0][1]),
        ),
        finding(
            "and about as much as elsewhere where all of it carries the decoy",
            f"beyond chance, median {number(full)}, elsewhere {number(low)} to {number(high)} "
            f"(about: within {ABOVE} of that)",
            low - ABOVE <= full <= high + ABOVE if known else None,
            count(fully[0][1]),
        ),
    ]


def _medians_elsewhere(panel: list[tuple[str, np.ndarray]]) -> list[float]:
    """The medians of the groups without the decoy, as far as they have enough queries.

    F100 is hardly ever right about the decoy's class without the decoy.
    """
    return [median(values) for _, values in panel[1:] if count(values) >= ENOUGH]
