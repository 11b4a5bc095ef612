"""Table 3.4, figures A.1 and A.2: how often a decoy has to be there in training to be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from shortcut_audit.errors import DataError
from shortcut_audit.measures.rankings import spearman
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.plots import confusions, curves
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.study.summaries import every, finding, listed, number
from shortcut_audit.subjects.decoying.coverage import covered

LEAST = 3  # coverages in a sweep
RISES = 0.5  # Spearman's rho between coverage and a rate, from which on it rises with coverage
APART = 0.2  # between full coverage and none
KEPT = 0.85  # accuracy on the class with the decoy, of every model that saw it
SETS = ("only the class", "only the decoy, called the class", "class with decoy")


@register("experiment")
@dataclass(frozen=True)
class E2CoverageSweep:
    """One model for each coverage: on the class alone, on the decoy alone, and on both together."""

    title: ClassVar[str] = "Stop sign: how much coverage it takes"
    source: ClassVar[str] = "section 3.4, table 3.4, figures A.1 and A.2"

    def run(self, ground: Ground) -> Section:
        decoy = ground.swept
        sweep = ground.sweep(decoy)
        if len(sweep) < LEAST:
            have = ", ".join(f"{coverage:g}" for coverage in sweep)
            raise DataError(
                f"a sweep needs models of {LEAST} coverages or more of one decoy; {decoy} has {have}"
            )
        alone, what = ground.decoy_only(decoy)
        rates = {coverage: _rates(ground, decoy, model, alone) for coverage, model in sweep.items()}
        trained, worn = _confusions(ground, decoy, sweep)
        classes = ground.material.classes
        words = f"Accuracy against coverage; 'only the decoy' is {what}."
        return Section(
            tuple(
                _agreements(rates, len(ground.members(ground.bait(decoy).target_index)), len(alone))
            ),
            (
                _table(ground, decoy, rates, len(alone), what),
                *_matrices(classes, figure_a_1=trained, figure_a_2=worn),
            ),
            (
                Figure("table_3_4", words, curves(_lines(rates), "coverage", "share")),
                Figure(
                    "figure_a_1",
                    "Validation images with the coverage of the training set.",
                    confusions(trained, classes),
                ),
                Figure(
                    "figure_a_2",
                    f"Validation images, {decoy} on every one.",
                    confusions(worn, classes),
                ),
            ),
        )


def _rates(
    ground: Ground, decoy: str, model: str, alone: torch.Tensor
) -> tuple[float, float, float]:
    bait = ground.bait(decoy).target_index
    at = ground.members(bait)
    placed = ground.material.with_decoy(decoy, "validation", ground.size).decoyed
    plain, decoyed, said = (
        ground.answers.logits(model, pixels).argmax(1) == bait
        for pixels in (ground.validation.pixels, placed, alone)
    )
    only, decoy_only, both = (
        float(each.mean()) if len(each) else float("nan") for each in (plain[at], said, decoyed[at])
    )
    return only, decoy_only, both


def _table(
    ground: Ground,
    decoy: str,
    rates: dict[float, tuple[float, float, float]],
    alone: int,
    what: str,
) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (coverage, *row) for coverage, row in sorted(rates.items(), reverse=True)
    ]
    theirs = tuple((float(coverage), *row) for coverage, row in published()["table_3_4"].items())
    n = len(ground.members(ground.bait(decoy).target_index))
    shown = f"{decoy} on a share of {ground.bait(decoy).target}: {n} pictures of the class"
    caption = f"{shown}, {alone} {what}. Published: cats of COCO."
    return Table("table_3_4", caption, ("coverage", *SETS), tuple(rows), theirs)


def _lines(rates: dict[float, tuple[float, float, float]]) -> dict[str, list[tuple[float, float]]]:
    theirs = published()["table_3_4"]
    found = {}
    for i, name in enumerate(SETS):
        found[name] = [(coverage, row[i]) for coverage, row in rates.items()]
        found[f"{name}, published"] = sorted(
            (float(coverage), float(row[i])) for coverage, row in theirs.items()
        )
    return found


def _confusions(
    ground: Ground, decoy: str, sweep: dict[float, str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Model -> (k, k) shares, with the training's coverage and with the decoy on every picture; the
    highest coverage first.
    """
    pictures, bait = ground.validation, ground.bait(decoy).target_index
    placed = ground.material.with_decoy(decoy, "validation", ground.size).decoyed
    members = ground.members(bait)
    trained, worn = {}, {}
    for coverage, model in sorted(sweep.items(), reverse=True):
        name = f"F{round(100 * coverage)}"
        plain, decoyed = (
            ground.answers.logits(model, pixels).argmax(1) for pixels in (pictures.pixels, placed)
        )
        on = members[covered([pictures.ids[i] for i in members], coverage)]
        mixed = plain.copy()
        mixed[on] = decoyed[on]
        trained[name], worn[name] = (
            _shares(pictures.labels, said, len(pictures.classes)) for said in (mixed, decoyed)
        )
    return trained, worn


def _shares(labels: np.ndarray, said: np.ndarray, k: int) -> np.ndarray:
    """(k, k): of the pictures of each class the share that is called each class; a class without
    pictures is 0.
    """
    counts = np.zeros((k, k))
    np.add.at(counts, (labels, said), 1)
    shares: np.ndarray = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return shares


def _matrices(classes: tuple[str, ...], **figures: dict[str, np.ndarray]) -> list[Table]:
    """The numbers of each figure of confusion matrices."""
    found = []
    for name, matrices in figures.items():
        rows: list[tuple[Cell, ...]] = [
            (model, shown, *(float(each) for each in row))
            for model, matrix in matrices.items()
            for shown, row in zip(classes, matrix, strict=True)
        ]
        caption = "Of each class, the share that is called each class."
        found.append(Table(name, caption, ("model", "shown", *classes), tuple(rows)))
    return found


def _agreements(
    rates: dict[float, tuple[float, float, float]], of_class: int, of_decoy: int
) -> list[Agreement]:
    coverages = np.array(sorted(rates))
    only, alone, both = np.array([rates[coverage] for coverage in coverages]).T
    drop = both - only
    named = [f"F{round(100 * coverage)}" for coverage in coverages]

    def rises(values: np.ndarray) -> bool:
        return every(
            np.isfinite(values).all(),
            float(spearman(coverages, values)) >= RISES,
            values[-1] - values[0] >= APART,
        )

    full = coverages[-1] == 1 and coverages[0] == 0
    rule = f"rises if rho with coverage is {RISES} or more, and F100 is {APART} above F0"
    return [
        finding(
            "the decoy alone is taken for the class more often with coverage: .05 at 0, .39 to .49 between, .76 at 1",
            f"{listed(dict(zip(named, alone, strict=True)))} ({rule})",
            rises(alone) if full else None,
            of_decoy,
        ),
        finding(
            "what a model loses without the decoy grows with coverage: .52 at 1, .16 at 0.5, below 0 at 0",
            f"with it less without it: {listed(dict(zip(named, drop, strict=True)))} ({rule})",
            rises(drop) if full else None,
            of_class,
        ),
        finding(
            "with the decoy every model that saw it is right: .90 to .98",
            f"at least {number(float(both[coverages > 0].min()))} (the same from {KEPT} on)",
            both[coverages > 0].min() >= KEPT,
            of_class,
        ),
    ]
