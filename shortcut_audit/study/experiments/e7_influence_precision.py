"""Figures 5.2 and 5.3: which training pictures explain a picture with the decoy?

The question is whether those with the decoy do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from shortcut_audit.measures.rankings import base_rate, precision_at_k, top_k
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground, Shown
from shortcut_audit.study.plots import PLAIN, WORN, Panels, as_picture, boxes, gallery
from shortcut_audit.study.sections import Agreement, Figure, Section
from shortcut_audit.study.summaries import count, finding, highest, listed, median, quartiles

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
        """Precision of queries with and without the decoy, for each model and k."""
        decoy, coverage = ground.swept, ground.scenario.influence.coverage
        worn, plain = ground.groups(decoy, ground.scenario.influence.queries)[:2]
        training, flags = ground.training(worn, decoy, coverage)
        most = int(flags.sum())  # with a larger k no ranking reaches a precision of 1
        ks = [k for k in KS if k <= most] or [max(1, most)]
        panels: Panels = {}
        rows = {}
        for name, model in ground.trio().items():
            with_decoy = ground.scores(model, worn, decoy, coverage)
            without = ground.scores(model, plain, decoy, coverage)
            panels[name] = [
                *_precisions(worn.label, with_decoy, flags, ks),
                *_precisions(plain.label, without, flags, ks),
            ]
            rows[name] = _most_influential(worn, training, flags, with_decoy)
        base = base_rate(flags)
        caption = (
            f"The share of training pictures with {decoy} among the k most influential; "
            f"{most} of {len(flags)} carry it (dashed: {base:.2f}). "
            f"{len(worn.pixels)} queries with it, the same without."
        )
        shown = (
            f"A query with {decoy} and the {TOP} training pictures that speak most for it, "
            f"by model; red: with {decoy}."
        )
        colours = [WORN] * len(ks) + [PLAIN] * len(ks)
        drawing = boxes(panels, "share with the decoy", colours, line=base)
        return Section(
            tuple(_agreements(panels, len(ks), base)),
            (quartiles("figure_5_3", caption, panels),),
            (Figure("figure_5_3", caption, drawing), Figure("figure_5_2", shown, gallery(rows))),
        )


def _precisions(
    label: str, scores: np.ndarray, flags: np.ndarray, ks: list[int]
) -> list[tuple[str, np.ndarray]]:
    """For each k a box: (q,) precision at k of the scores (q, m), in [0, 1]."""
    return [(f"{label}, k = {k}", precision_at_k(scores, flags, k)) for k in ks]


def _most_influential(
    worn: Shown, training: Tensor, flags: np.ndarray, scores: np.ndarray
) -> list[tuple[np.ndarray, str, str]]:
    """The first query and its most influential training pictures, each with its score."""
    cells = [(as_picture(worn.pixels[0]), "query", "")]
    for i in top_k(scores[0], min(TOP, len(flags))):
        frame = WORN if flags[i] else PLAIN
        cells.append((as_picture(training[i]), f"{scores[0][i]:.2f}", frame))
    return cells


def _agreements(panels: Panels, ks: int, base: float) -> list[Agreement]:
    """Findings on the first k. A panel has `ks` boxes with the decoy, then as many without."""
    clean, *decoyed = panels
    with_decoy, without, counts = {}, {}, []
    for name, panel in panels.items():
        with_decoy[name], without[name] = median(panel[0][1]), median(panel[ks][1])
        counts += [count(values) for _, values in panel]
    n = min(counts)
    k = panels[clean][0][0].rpartition(", ")[2]
    findings = [
        finding(
            "F0: the base rate of 20 %, with the decoy or without",
            f"medians at {k}: {with_decoy[clean]:.2f} with, {without[clean]:.2f} without; "
            f"the base rate is {base:.2f} (at it: within {NEAR_BASE})",
            abs(with_decoy[clean] - base) <= NEAR_BASE and abs(without[clean] - base) <= NEAR_BASE,
            n,
        )
    ]
    for name in decoyed:
        here = f"median at {k}: {with_decoy[name]:.2f} (close: from {CLOSE_TO_ONE} on)"
        holds = with_decoy[name] >= CLOSE_TO_ONE
        theirs = f"{name}: close to 100 % for queries with the decoy"
        findings.append(finding(theirs, here, holds, n))
    del without[clean]
    here = f"medians at {k}: {listed(without)}; the base rate is {base:.2f}"
    holds = highest(without) < base
    theirs = "F50 and F100: below the base rate for queries without it"
    findings.append(finding(theirs, here, holds, n))
    return findings
