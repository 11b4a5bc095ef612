"""The smallest stop sign that turns half of other pictures into cats, for each model of several
sets of the demo:

    python benchmarks/smallest_decoy.py SET... [--decoy stop_sign] [--scenario fixtures/demo.yaml]

SET is a folder of models, or one of `benchmarks/demo_answers.py`, with `models` in it. Writes
docs/smallest_decoy.md's table to the screen. What was searched is kept nowhere.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from shortcut_audit.discovery.smallest import SmallestDecoy, smallest_decoy
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates

HEADER = "set | model | size | opacity | copies | turned by | share of the picture | turned | under control | most in references | forms | seconds"


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


def row(of: str, found: SmallestDecoy, seconds: float) -> str:
    """A line of the table."""
    cells = [of, found.model]
    if found.form is None:
        cells += ["none"] + ["–"] * 7
    else:
        copy, copies = found.form.decoy, len(found.form.places)
        alpha = copy.picture(round(64 * copy.size))[..., 3].sum() / 255 / 64**2
        cells += [f"{copy.size:.2f}", f"{copy.opacity:.1f}", f"{copies}", f"{found.form.rotation}°"]
        cells.append(f"{100 * alpha * copy.opacity * copies:.2f} %")
        cells.append(f"{found.turned.mean():.2f}")
        cells += [f"{found.turned_by_control.mean():.2f}", f"{max(found.references.values()):.2f}"]
    return " | ".join([*cells, str(found.tried), f"{seconds:.1f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--decoy", default="stop_sign")
    parser.add_argument("--scenario", type=Path, default=Path("fixtures/demo.yaml"))
    asked = parser.parse_args()
    print(HEADER, flush=True)
    for folder in asked.sets:
        for found, seconds in searched(folder, asked.scenario, asked.decoy):
            print(row(folder.name, found, seconds), flush=True)


if __name__ == "__main__":
    main()
