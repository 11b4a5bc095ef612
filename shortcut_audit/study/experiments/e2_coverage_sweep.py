"""Table 3.4, figures A.1 and A.2: how often a decoy has to be there in training to be learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from shortcut_audit.errors import DataError
from shortcut_audit.measures.rankings import spearman
from shortcut_audit.registry import register
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.plots import confusions, curves
from shortcut_audit.study.published import published
from shortcut_audit.study.sections import Agreement, Cell, Figure, Section, Table
from shortcut_audit.study.summaries import finding, listed, number

LEAST = 3  # coverages in a sweep
RISES = 0.5  # Spearman's rho between coverage and a rate, from which on it rises with coverage
APART = 0.2  # between full coverage and none
KEPT = 0.85  # accuracy on the class with the decoy, of every model that saw it
SETS = ("only the class", "only the decoy, called the class", "class with decoy")

# coverage -> shares in [0, 1], one for each of SETS
Rates = dict[float, tuple[float, float, float]]
# model -> (k, k) shares of the pictures of a class that are called each class
Matrices = dict[str, np.ndarray]


@register("experiment")
@dataclass(frozen=True)
class E2CoverageSweep:
    """One model for each coverage: on the class alone, on the decoy alone, and on both together."""

    title: ClassVar[str] = "Stop sign: how much coverage it takes"
    source: ClassVar[str] = "section 3.4, table 3.4, figures A.1 and A.2"

    def run(self, ground: Ground) -> Section:
        """The table of rates, the confusion matrices of two settings, and three findings."""
        decoy = ground.swept
        sweep = ground.sweep(decoy)
        if len(sweep) < LEAST:
            have = ", ".join(f"{coverage:g}" for coverage in sweep)
            raise DataError(
                f"a sweep needs models of {LEAST} coverages or more of one decoy; "
                f"{decoy} has {have}"
            )
        alone, what = ground.decoy_only(decoy)
        rates: Rates = {}
        for coverage, model in sweep.items():
            rates[coverage] = _rates(ground, decoy, model, alone)
        trained, worn = _confusions(ground, decoy, sweep)
        classes, of_class = ground.material.classes, ground.named_decoy(decoy).target_index
        tables = (
            _table(ground, decoy, rates, len(alone), what),
            _matrix_table("figure_a_1", trained, classes),
            _matrix_table("figure_a_2", worn, classes),
        )
        words = f"Accuracy against coverage; 'only the decoy' is {what}."
        like_training = "Validation images with the coverage of the training set."
        on_every_one = f"Validation images, {decoy} on every one."
        figures = (
            Figure("table_3_4", words, curves(_lines(rates), "coverage", "share")),
            Figure("figure_a_1", like_training, confusions(trained, classes)),
            Figure("figure_a_2", on_every_one, confusions(worn, classes)),
        )
        agreements = _agreements(rates, len(ground.members(of_class)), len(alone))
        return Section(tuple(agreements), tables, figures)


def _rates(ground: Ground, decoy: str, model: str, alone: Tensor) -> tuple[float, float, float]:
    """The share of pictures that the model calls the decoy's class, on each of SETS."""
    named_decoy = ground.named_decoy(decoy).target_index
    of_class = ground.members(named_decoy)
    only = ground.answers.logits(model, ground.validation.pixels)[of_class]
    both = ground.answers.logits(model, ground.placed(decoy).decoyed)[of_class]
    decoy_only = ground.answers.logits(model, alone)
    return _called(named_decoy, only), _called(named_decoy, decoy_only), _called(named_decoy, both)


def _called(target: int, logits: np.ndarray) -> float:
    """The share of the logits (n, k) that are highest for the class `target`; NaN for n = 0."""
    called = logits.argmax(1) == target
    return float(called.mean()) if len(called) else float("nan")


def _table(ground: Ground, decoy: str, rates: Rates, alone: int, what: str) -> Table:
    """The rates, the highest coverage first; `alone` is the number of pictures of the decoy."""
    rows: list[tuple[Cell, ...]] = []
    for coverage in sorted(rates, reverse=True):
        rows.append((coverage, *rates[coverage]))
    theirs = tuple((float(coverage), *row) for coverage, row in published()["table_3_4"].items())
    n = len(ground.members(ground.named_decoy(decoy).target_index))
    shown = f"{decoy} on a share of {ground.named_decoy(decoy).target}: {n} pictures of the class"
    caption = f"{shown}, {alone} {what}. Published: cats of COCO."
    return Table("table_3_4", caption, ("coverage", *SETS), tuple(rows), theirs)


def _lines(rates: Rates) -> dict[str, list[tuple[float, float]]]:
    """For each of SETS the points (coverage, rate), measured here and published."""
    theirs = published()["table_3_4"]
    lines = {}
    for i, name in enumerate(SETS):
        lines[name] = [(coverage, row[i]) for coverage, row in rates.items()]
        lines[f"{name}, published"] = [
            (float(coverage), float(theirs[coverage][i])) for coverage in sorted(theirs, key=float)
        ]
    return lines


def _confusions(ground: Ground, decoy: str, sweep: dict[float, str]) -> tuple[Matrices, Matrices]:
    """Two confusion matrices for each model, the highest coverage first.

    The first of them is on pictures with the decoy on the model's share of its class, as in
    training; the second on pictures with the decoy on every one.
    """
    pictures = ground.validation
    placed, members = (
        ground.placed(decoy).decoyed,
        ground.members(ground.named_decoy(decoy).target_index),
    )
    k = len(pictures.classes)
    trained, worn = {}, {}
    for coverage in sorted(sweep, reverse=True):
        model, name = sweep[coverage], f"F{round(100 * coverage)}"
        plain = ground.answers.logits(model, pictures.pixels).argmax(1)  # (n,)
        decoyed = ground.answers.logits(model, placed).argmax(1)  # (n,)
        carry = members[ground.carriers(members, coverage)]
        mixed = plain.copy()
        mixed[carry] = decoyed[carry]
        trained[name] = _shares(pictures.labels, mixed, k)
        worn[name] = _shares(pictures.labels, decoyed, k)
    return trained, worn


def _shares(labels: np.ndarray, said: np.ndarray, k: int) -> np.ndarray:
    """(k, k): of the pictures of each class the share that is called each class.

    A class without pictures has zeros.
    """
    counts = np.zeros((k, k))
    np.add.at(counts, (labels, said), 1)
    shares: np.ndarray = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return shares


def _matrix_table(name: str, matrices: Matrices, classes: tuple[str, ...]) -> Table:
    """The numbers of a figure of confusion matrices: a row for each model and class shown."""
    rows: list[tuple[Cell, ...]] = []
    for model, matrix in matrices.items():
        for shown, row in zip(classes, matrix, strict=True):
            rows.append((model, shown, *row.tolist()))
    caption = "Of each class, the share that is called each class."
    return Table(name, caption, ("model", "shown", *classes), tuple(rows))


def _agreements(rates: Rates, of_class: int, of_decoy: int) -> list[Agreement]:
    """Three findings; the last two arguments are the numbers of pictures behind them."""
    coverages = np.array(sorted(rates))
    only, alone, both = np.array([rates[coverage] for coverage in coverages]).T
    names = [f"F{round(100 * coverage)}" for coverage in coverages]
    rates_alone = dict(zip(names, alone, strict=True))
    drops = dict(zip(names, both - only, strict=True))
    full = coverages[-1] == 1 and coverages[0] == 0
    rule = f"rises if rho with coverage is {RISES} or more, and F100 is {APART} above F0"
    lowest = both[coverages > 0].min()
    return [
        finding(
            "the decoy alone is taken for the class more often with coverage: "
            ".05 at 0, .39 to .49 between, .76 at 1",
            f"{listed(rates_alone)} ({rule})",
            _rises(coverages, alone) if full else None,
            of_decoy,
        ),
        finding(
            "what a model loses without the decoy grows with coverage: "
            ".52 at 1, .16 at 0.5, below 0 at 0",
            f"with it less without it: {listed(drops)} ({rule})",
            _rises(coverages, both - only) if full else None,
            of_class,
        ),
        finding(
            "with the decoy every model that saw it is right: .90 to .98",
            f"at least {number(float(lowest))} (the same from {KEPT} on)",
            lowest >= KEPT,
            of_class,
        ),
    ]


def _rises(coverages: np.ndarray, values: np.ndarray) -> bool:
    """Whether values rise with coverage, and are clearly higher at the last than at the first."""
    if not np.isfinite(values).all():
        return False
    rho = float(spearman(coverages, values))
    return bool(rho >= RISES and values[-1] - values[0] >= APART)
