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

Measure = Callable[[np.ndarray, np.ndarray], np.ndarray]


@register("experiment")
@dataclass(frozen=True)
class E8InfluenceAgreement:
    """Spearman's rho and top-k intersection of two models' ranked lists, on queries that both get
    right.
    """

    title: ClassVar[str] = "Influence: do two models rank alike?"
    source: ClassVar[str] = "sections 5.1.3 and 5.1.4, figures 5.4 to 5.6"

    def run(self, ground: Ground) -> Section:
        partly = ground.scenario.influence.coverage
        groups = ground.groups(ground.swept, ground.scenario.influence.queries)
        m = min(len(ground.training(shown, ground.swept, partly)[0]) for shown in groups)
        # of a larger part any two rankings share much
        ks = [k for k in KS if k <= m // 2] or [max(1, m // 5)]
        panels = {"figure_5_4": _compared(ground, groups, partly, spearman)}
        for name, coverage in (("figure_5_5", partly), ("figure_5_6", 1.0)):
            for k in ks:
                panels[f"{name}_k{k}"] = _compared(
                    ground, groups, coverage, partial(top_k_intersection, k=k)
                )
        carry = f"{partly:.0%} of the class's training pictures carry the decoy."
        words = {
            "figure_5_4": f"Spearman's rho of two models' ranked lists; {carry}",
            "figure_5_5": f"Share of the top k in common; {carry}",
            "figure_5_6": "Share of the top k in common; every training picture of the class carries the decoy.",
        }
        captions = {
            name: words[name[:10]] + (f" k = {name.rpartition('k')[2]}." if "_k" in name else "")
            for name in panels
        }
        colours = colours_of([shown.decoyed for shown in groups])
        axis = {name: "rho" if name == "figure_5_4" else "in common" for name in panels}
        return Section(
            (
                _rank_correlation(ground.pairs(), panels["figure_5_4"]),
                *_top_k(ground, groups, ks[-1]),
            ),
            tuple(quartiles(name, captions[name], each) for name, each in panels.items()),
            tuple(
                Figure(name, captions[name], boxes(each, axis[name], colours))
                for name, each in panels.items()
            ),
        )


def _compared(ground: Ground, groups: list[Shown], coverage: float, measure: Measure) -> Panels:
    """Pair -> group -> one number for each query that both models get right."""
    trio, decoy = ground.trio(), ground.swept
    found: Panels = {}
    for pair in ground.pairs():
        models = [trio[name] for name in (pair.first, pair.second)]
        found[pair.label] = []
        for shown in groups:
            right = np.logical_and(*(ground.right(model, shown) for model in models))
            scores = [ground.scores(model, shown, decoy, coverage) for model in models]
            found[pair.label].append((shown.label, measure(*scores)[right]))
    return found


def _rank_correlation(pairs: list[Pair], rho: Panels) -> Agreement:
    half, full, decoyed = (pair.label for pair in pairs)
    worn = {label: median(panel[0][1]) for label, panel in rho.items()}
    lowest = min(
        [median(each) for panel in rho.values() for each in _elsewhere(panel)] or [float("nan")]
    )
    return finding(
        "the lowest median rho is F0's with F100, then F0's with F50, on the class with the decoy",
        f"{listed(worn)}; the lowest of the other groups is {number(lowest)} (the same if in this order)",
        None if np.isnan(lowest) else worn[full] <= worn[half] < min(lowest, worn[decoyed]),
        min(count(panel[0][1]) for panel in rho.values()),
    )


def _top_k(ground: Ground, groups: list[Shown], k: int) -> list[Agreement]:
    """The last pair's top k, corrected for chance, so that classes with more and fewer training
    pictures compare.
    """

    def corrected(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return beyond_chance(top_k_intersection(a, b, k), k, a.shape[1])

    pair = ground.pairs()[2].label
    partly, fully = (
        _compared(ground, groups, coverage, corrected)[pair]
        for coverage in (ground.scenario.influence.coverage, 1.0)
    )
    both = [median(panel[0][1]) for panel in (partly, fully)]
    others = [
        sorted(median(each) for each in _elsewhere(panel)) or [float("nan")]
        for panel in (partly, fully)
    ]
    unknown = any(np.isnan(each[0]) for each in others)
    return [
        finding(
            f"F50 and F100 share more of their top {k} on the class with the decoy than elsewhere, where part of it carries it",
            f"beyond chance, median {number(both[0])} against {number(others[0][-1])} at most elsewhere (more: by {ABOVE})",
            None if unknown else both[0] >= others[0][-1] + ABOVE,
            count(partly[0][1]),
        ),
        finding(
            "and about as much as elsewhere where all of it carries the decoy",
            f"beyond chance, median {number(both[1])}, elsewhere {number(others[1][0])} to {number(others[1][-1])} "
            f"(about: within {ABOVE} of that)",
            None if unknown else others[1][0] - ABOVE <= both[1] <= others[1][-1] + ABOVE,
            count(fully[0][1]),
        ),
    ]


def _elsewhere(panel: list[tuple[str, np.ndarray]]) -> list[np.ndarray]:
    """The groups without the decoy that have enough queries: F100 is hardly ever right about its
    class without it.
    """
    return [values for _, values in panel[1:] if count(values) >= ENOUGH]
