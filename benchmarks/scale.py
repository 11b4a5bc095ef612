"""How the cost of an audit's evidence grows: python benchmarks/scale.py [--memory] [--quick]

One thing grows at a time: models, validation images, training images, decoys, processes, and nodes
of a Ray cluster on this machine where `ray` is installed. Each cell runs in a process of its own
(`benchmarks/scale_cell.py`), so that its peak memory is its own. The exponent of a quantity is the
slope of a straight line through its logarithms (least squares): 1 grows in proportion, 0 not at
all. CPU seconds count from when the pictures were read, and no imports.

--memory measures up to 50,000 images with five decoys, drawings and photographs, instead; --quick
takes under a minute on two idle cores and prints one line of JSON alone. Its cells share their
imports, so that their peaks are lower. docs/scale.md has the tables.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from multiprocessing import get_context, set_forkserver_preload
from pathlib import Path
from typing import Any

import numpy as np
from influence_page import table
from scale_cell import Cell, measured

FEW, MANY = Cell(images=100), Cell(images=1000, models=4)
FIVE = Cell(decoys=5)
WARM = replace(FEW, models=4)  # is asked twice
QUANTITIES = ("cpu_s", "wall_s", "peak_mb", "kept_mb", "moved_mb")


@dataclass(frozen=True)
class Axis:
    """What grows, and where the rest stands."""

    grows: str  # a field of `Cell`
    at: tuple[int, ...]
    rest: Cell
    what: str = ""  # of the rest, in words

    @property
    def name(self) -> str:
        """`images`, or `images, photographs`."""
        return f"{self.grows}{self.what and ', '}{self.what}"

    def cells(self) -> list[Cell]:
        """One for each value."""
        return [replace(self.rest, **{self.grows: value}) for value in self.at]


QUICK = (
    Axis("models", (1, 4, 16), FEW),
    Axis("images", (500, 2000), Cell()),
    Axis("training", (1000, 5000), FEW),
    Axis("decoys", (1, 5), FEW),
    Axis("workers", (1, 2), replace(MANY, images=400)),
)
FULL = (
    Axis("models", (1, 4, 16), FEW),
    Axis("images", (100, 1000, 10_000), Cell()),
    Axis("training", (1000, 10_000, 50_000), FEW),
    Axis("decoys", (1, 5), Cell()),
    Axis("workers", (1, 2), MANY),
    Axis("nodes", (1, 2, 4), MANY),
)
SIZES, PHOTOGRAPHS = (1000, 10_000, 50_000), "photographs"
MEMORY = (
    Axis("images", SIZES, FIVE),
    Axis("images", SIZES, replace(FIVE, photographs=True), PHOTOGRAPHS),
    Axis("training", SIZES, FEW),
    Axis("training", SIZES, replace(FEW, photographs=True), PHOTOGRAPHS),
)


def main() -> None:
    """Prints a line for each cell, the exponents, and what a second pass takes."""
    options, began = asked(), time.monotonic()
    if options.quick:  # one process imports everything, and each cell is forked from it
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        set_forkserver_preload(["scale_cell"])
    with tempfile.TemporaryDirectory(prefix="scale-") as temporary:
        folder = options.folder or Path(temporary)
        rows, exponents = dict[str, dict[str, Any]](), {}
        for axis in axes(options):
            found = [once(cell, folder, rows) for cell in axis.cells()]
            exponents[axis.name] = fitted(axis, found)
            if not options.quick:
                print("\n".join(shown(axis, found)), flush=True)
        once(WARM, folder, rows)
        warm = measure(WARM, folder, kept=True)
    said = {
        "exponents": exponents,
        "warm": {"computed": warm["computed"], "seconds": round(warm["wall_s"], 2)},
        "undone": sum(row["undone"] for row in rows.values()),
        "cpu_seconds": round(sum(row["read_cpu_s"] + (row["cpu_s"] or 0) for row in rows.values())),
        "seconds": round(time.monotonic() - began, 1),
    }
    print(json.dumps(said))
    sys.exit(1 if warm["computed"] or said["undone"] else 0)


def axes(options: argparse.Namespace) -> list[Axis]:
    """Those that were asked for and can be measured here."""
    every = QUICK if options.quick else MEMORY if options.memory else FULL
    found = [axis for axis in every if not options.only or axis.name in options.only]
    if find_spec("ray") is None and any(axis.grows == "nodes" for axis in found):
        print("no nodes: the package 'ray' is not installed")
        return [axis for axis in found if axis.grows != "nodes"]
    return found


def once(cell: Cell, folder: Path, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What was measured of a cell, which may stand on several axes."""
    if cell.name not in rows:
        rows[cell.name] = measure(cell, folder)
    return rows[cell.name]


def measure(cell: Cell, folder: Path, kept: bool = False) -> dict[str, Any]:
    """Runs a cell in a process of its own; evidence that is there already counts only where asked."""
    if not kept:
        shutil.rmtree(folder / cell.name, ignore_errors=True)
    with ProcessPoolExecutor(1, mp_context=get_context("forkserver")) as pool:
        return pool.submit(measured, cell, folder).result()


def fitted(axis: Axis, rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Quantity -> its exponent, and `n`, the number of points."""
    found = {}
    for name in QUANTITIES:
        values = [row[name] for row in rows]
        if all(values):
            found[name.rpartition("_")[0]] = round(exponent(axis.at, values), 2)
    return {**found, "n": len(rows)}


def exponent(sizes: Iterable[float], values: Iterable[float]) -> float:
    """The b of `values = a * sizes ** b`, by least squares on the logarithms."""
    slope, _ = np.polyfit([math.log(x) for x in sizes], [math.log(y) for y in values], 1)
    return float(slope)


def shown(axis: Axis, rows: Sequence[dict[str, Any]]) -> list[str]:
    """A table of an axis, with its exponents in the last line."""
    lines = []
    for size, row in zip(axis.at, rows, strict=True):
        lines.append([f"{size:,}", *(number(row[name]) for name in QUANTITIES), row["computed"]])
    slopes = fitted(axis, rows)
    last = [slopes.get(name.rpartition("_")[0], "") for name in QUANTITIES]
    columns = [axis.name, "CPU s", "wall s", "peak MB", "kept MB", "moved MB", "computed"]
    return ["", *table(columns, [*lines, ["exponent", *last, ""]])]


def number(value: float | None) -> str:
    """To three digits; what was not measured is a dash."""
    if value is None:
        return "-"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def asked() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small cells, and one line of JSON")
    parser.add_argument("--memory", action="store_true", help="peak memory, up to 50,000 images")
    parser.add_argument("--only", nargs="+", metavar="AXIS", help="'images', 'training' ...")
    parser.add_argument(
        "--folder", type=Path, help="where pictures are kept for the next time (default: nowhere)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
