"""Figures 5.2 and 5.3: is a picture with the decoy explained by training pictures with the decoy?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from shortcut_audit.measures.rankings import base_rate, precision_at_k, top_k
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground, Shown
from shortcut_audit.study.plots import PLAIN, WORN, Panels, as_picture, boxes, gallery
from shortcut_audit.study.sections import Agreement, Figure, Section
from shortcut_audit.study.summaries import count, every, finding, listed, median, quartiles

KS = (50, 100, 150)
TOP = 5  # training pictures in the gallery
NEAR_BASE = 0.15  # from the base rate, at most
CLOSE_TO_ONE = 0.8


@register("experiment")
@dataclass(frozen=True)
class E7InfluencePrecision:
    """The share of training pictures with the decoy among the k that speak most for a query."""

    title: ClassVar[str] = "RQ3: influence, precision at k"
    source: ClassVar[str] = "section 5.1.2, figures 5.2 and 5.3"

    def run(self, ground: Ground) -> Section:
        decoy, coverage = ground.swept, ground.scenario.influence.coverage
        worn, plain = ground.groups(decoy, ground.scenario.influence.queries)[:2]
        training, flags = ground.training(worn, decoy, coverage)
        most = int(flags.sum())  # beyond, no ranking can be all of them
        ks = [k for k in KS if k <= most] or [max(1, most)]
        panels: Panels = {}
        rows = {}
        for name, model in ground.trio().items():
            scores = {
                shown.label: ground.scores(model, shown, decoy, coverage) for shown in (worn, plain)
            }
            panels[name] = [
                (f"{label}, k = {k}", precision_at_k(each, flags, k))
                for label, each in scores.items()
                for k in ks
            ]
            rows[name] = _most_influential(worn, training.numpy(), flags, scores[worn.label])
        base = base_rate(flags)
        caption = (
            f"The share of training pictures with {decoy} among the k most influential; {flags.sum()} of {len(flags)} carry it"
            f" (dashed: {base:.2f}). {len(worn.pixels)} queries with it, the same without."
        )
        colours = [WORN] * len(ks) + [PLAIN] * len(ks)
        shown = f"A query with {decoy} and the {TOP} training pictures that speak most for it, by model; red: with {decoy}."
        return Section(
            tuple(_agreements(panels, len(ks), base)),
            (quartiles("figure_5_3", caption, panels),),
            (
                Figure(
                    "figure_5_3", caption, boxes(panels, "share with the decoy", colours, line=base)
                ),
                Figure("figure_5_2", shown, gallery(rows)),
            ),
        )


def _most_influential(
    worn: Shown, training: np.ndarray, flags: np.ndarray, scores: np.ndarray
) -> list[tuple[np.ndarray, str, str]]:
    """The first query and its most influential training pictures, each with its score."""
    best = top_k(scores[0], min(TOP, len(flags)))
    cells = [(as_picture(worn.pixels[0]), "query", "")]
    return cells + [
        (training[i].transpose(1, 2, 0), f"{scores[0][i]:.2f}", WORN if flags[i] else PLAIN)
        for i in best
    ]


def _agreements(panels: Panels, ks: int, base: float) -> list[Agreement]:
    clean, *decoyed = panels
    first = {name: median(panel[0][1]) for name, panel in panels.items()}
    without = {name: median(panel[ks][1]) for name, panel in panels.items()}
    n = min(count(values) for panel in panels.values() for _, values in panel)
    k = panels[clean][0][0].rpartition(", ")[2]
    return [
        finding(
            "F0: the base rate of 20 %, with the decoy or without",
            f"medians at {k}: {first[clean]:.2f} with, {without[clean]:.2f} without; the base rate is {base:.2f} "
            f"(at it: within {NEAR_BASE})",
            every(*(abs(value - base) <= NEAR_BASE for value in (first[clean], without[clean]))),
            n,
        ),
        *(
            finding(
                f"{name}: close to 100 % for queries with the decoy",
                f"median at {k}: {first[name]:.2f} (close: from {CLOSE_TO_ONE} on)",
                first[name] >= CLOSE_TO_ONE,
                n,
            )
            for name in decoyed
        ),
        finding(
            "F50 and F100: below the base rate for queries without it",
            f"medians at {k}: {listed({name: without[name] for name in decoyed})}; the base rate is {base:.2f}",
            every(*(without[name] < base for name in decoyed)),
            n,
        ),
    ]
