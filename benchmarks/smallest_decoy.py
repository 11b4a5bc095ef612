"""The smallest stop sign that turns half of other pictures into cats, for each model of several
sets of the demo: the tables of docs/smallest_decoy.md.

    python benchmarks/smallest_decoy.py SET... [--decoy stop_sign] [--scenario fixtures/demo.yaml]

SET is a folder of models, or one of `benchmarks/demo_answers.py`, with `models` in it. Models of
another decoy are left out. What was searched is kept nowhere.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from influence_page import table

from shortcut_audit.discovery.smallest import SmallestDecoy, smallest_decoy
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates

COLUMNS = ["set", "model", "size", "opacity", "copies", "turned by", "shows", "turned"]
COLUMNS += ["under control", "most in references", "forms", "seconds"]
OVERVIEW = ["models", "found", "size: median (least to most)", "turned", "most in references"]
SHOWN_AT = 64  # pixels: the side of the pictures


def searched(folder: Path, scenario: Path, decoy: str) -> Iterator[tuple[SmallestDecoy, float]]:
    """Each model's smallest decoy, and the seconds of its search."""
    models = folder / "models" if (folder / "models").is_dir() else folder
    with tempfile.TemporaryDirectory() as kept:
        evidence = Evidence(load_scenario(scenario), read_candidates(models), Store(Path(kept)))
        for model in evidence.candidates:
            if not model.startswith("F"):
                continue  # trained on another decoy
            evidence.predictions(model, decoy)
            start = time.perf_counter()
            yield smallest_decoy(evidence, model, decoy), time.perf_counter() - start


def row(of: str, found: SmallestDecoy, seconds: float) -> list[str]:
    """A line of the table; `shows` is the share of the picture that is the decoy's."""
    cells = [of, found.model]
    if found.form is None:
        cells += ["none", *["–"] * 7]
    else:
        copy = found.form.decoy
        alpha = copy.picture(round(SHOWN_AT * copy.size))[..., 3].sum() / 255 / SHOWN_AT**2
        shows = alpha * copy.opacity * len(found.form.places)
        cells += [f"{copy.size:.2f}", f"{copy.opacity:.1f}", str(len(found.form.places))]
        cells += [f"{found.form.rotation}°", f"{100 * shows:.1f} %", f"{found.turned.mean():.2f}"]
        cells.append(f"{found.turned_by_control.mean():.2f}")
        cells.append(f"{max(found.references.values(), default=float('nan')):.2f}")
    return [*cells, str(found.tried), f"{seconds:.1f}"]


def overview(rows: list[list[str]]) -> Iterator[list[str]]:
    """One line for each share of the class that wore the decoy in training, largest first."""
    kinds = {line[1].partition("-")[0] for line in rows}
    for kind in sorted(kinds, key=lambda name: -int(name[1:])):
        own = [line for line in rows if line[1].startswith(f"{kind}-")]
        found = [[float(line[at]) for at in (2, 7, 9)] for line in own if line[2] != "none"]
        said = [kind, f"{len(found)} of {len(own)}"]
        if found:
            sizes, turned, peers = zip(*found, strict=True)
            said.append(f"{median(sizes):.2f} ({min(sizes):.2f} to {max(sizes):.2f})")
            said += [f"{median(turned):.2f}", f"{median(peers):.2f}"]
        yield said + ["–"] * (len(OVERVIEW) - len(said))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--decoy", default="stop_sign")
    parser.add_argument("--scenario", type=Path, default=Path("fixtures/demo.yaml"))
    asked = parser.parse_args()
    rows = []
    for folder in asked.sets:
        for found, seconds in searched(folder, asked.scenario, asked.decoy):
            rows.append(row(folder.name, found, seconds))
            print(" | ".join(rows[-1]), flush=True)
    print("\n".join(["", *table(OVERVIEW, overview(rows)), "", *table(COLUMNS, rows)]))


if __name__ == "__main__":
    main()
