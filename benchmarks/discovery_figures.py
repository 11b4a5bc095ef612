"""Rows of benchmarks/discovery.py -> docs/discovery.json, and the tables of docs/discovery.md.

python benchmarks/discovery_figures.py --drawings A.jsonl --photos B.jsonl --out docs/discovery.json
    [--seconds 30] [--command "..."] [--date 2026-11-26]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from scipy.stats import beta

LEARNED = 0.10  # of other classes' pictures that the decoy turns: less, and nothing was learned
TUNING = ("stop_sign", "copyright_tag", "corner_patch", "blur", "hue_shift", "vignette")
IMAGE_WIDE = ("blur", "jpeg_grid", "hue_shift", "high_frequency_grid", "vignette")
IMAGE_WIDE += ("background_texture",)
Row = dict[str, Any]


def rows_of(file: Path | None) -> list[Row]:
    """The rows of a file, each model once; none without a file."""
    if file is None:
        return []
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return list({row["model"]: row for row in rows}.values())


def learned(rows: Iterable[Row], wide: bool = False) -> list[Row]:
    """Models whose decoy is worn by its own class and turns pictures of others."""
    found = []
    for row in rows:
        own = row["decoy"] is not None and row["worn_by"] == "target"
        if own and row["insertion"] >= LEARNED and (row["decoy"] in IMAGE_WIDE) is wide:
            found.append(row)
    return found


def hits(row: Row) -> list[Row]:
    """What was confirmed of the model, for the class of its own decoy."""
    return [
        each
        for each in row["proposed"]
        if each["verdict"] == "VIOLATED" and each["target"] == row["target"]
    ]


def recall(rows: Sequence[Row]) -> dict[str, float]:
    """Coverage -> the share of the models in which a shortcut into the right class is confirmed."""
    return {key: round(found / n, 3) for key, (found, n) in counts(rows).items()}


def recall_of_marks(rows: Sequence[Row]) -> dict[str, float]:
    """The same, where a mark is confirmed that covers half of the planted one (IoU)."""
    said = {}
    for coverage, (_, n) in counts(rows).items():
        at = [row for row in rows if str(row["coverage"]) == coverage]
        alike = [row for row in at if any(each.get("iou", 0) >= 0.5 for each in hits(row))]
        said[coverage] = round(len(alike) / n, 3)
    return said


def counts(rows: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """Coverage -> models in which it was confirmed, and models."""
    known: dict[str, tuple[int, int]] = {}
    for coverage in (1.0, 0.5, 0.25, 0.1, 0.05):
        at = [row for row in rows if row["coverage"] == coverage]
        if at:
            known[str(coverage)] = sum(bool(hits(row)) for row in at), len(at)
    return known


def false_confirmed(rows: Iterable[Row]) -> tuple[int, int]:
    """Clean models of which anything was confirmed, and clean models."""
    clean = [row for row in rows if row["decoy"] is None]
    return sum(bool(_confirmed(row)) for row in clean), len(clean)


def _confirmed(row: Row) -> list[Row]:
    return [each for each in row["proposed"] if each["verdict"] == "VIOLATED"]


def by_proposer(rows: Sequence[Row]) -> dict[str, float]:
    """Proposer -> in which share of the models it proposed what was confirmed."""
    found: dict[str, int] = {}
    for row in rows:
        names: set[str] = set()
        for each in hits(row):
            names |= set(each["proposers"])
        for name in names:
            found[name] = found.get(name, 0) + 1
    return {name: round(found[name] / len(rows), 3) for name in sorted(found)}


def upper(k: int, n: int) -> float:
    """The upper end of a one-sided 95 % interval by Clopper and Pearson."""
    return 1.0 if k == n else round(float(beta.ppf(0.95, k + 1, n - k)), 3)


def figures(drawings: list[Row], photos: list[Row]) -> dict[str, Any]:
    """Everything that the document says, but for the time and the command."""
    both = [*drawings, *photos]
    marks = {"drawings": learned(drawings), "photographs": learned(photos)}
    k, n = false_confirmed(both)
    held_out = [row for row in marks["drawings"] if row["decoy"] not in TUNING]
    likenesses = []
    for row in (*marks["drawings"], *marks["photographs"]):
        likenesses += [each["iou"] for each in hits(row)[:1] if "iou" in each]
    others = [
        row for row in both if row["decoy"] and any(e not in hits(row) for e in _confirmed(row))
    ]
    return {
        "recall": recall(marks["drawings"]),
        "recall_photos": recall(marks["photographs"]),
        "recall_iou_half": recall_of_marks([*marks["drawings"], *marks["photographs"]]),
        "recall_held_out_decoys": recall(held_out),
        "recall_image_wide": recall(learned(drawings, wide=True)),
        "models_learned": {name: counts(rows) for name, rows in marks.items()},
        "by_proposer": by_proposer([*marks["drawings"], *marks["photographs"]]),
        "false_confirmed": k,
        "clean_runs": n,
        "false_confirmed_rate_at_most": upper(k, n) if n else None,
        "decoy_models_with_another_class_confirmed": len(others),
        "models": len(both),
        "seeds": len({row["model"].rpartition("-s")[2] for row in both}),
        "iou_median": sorted(likenesses)[len(likenesses) // 2] if likenesses else None,
        "iou_n": len(likenesses),
    }


def main() -> None:
    """Writes the JSON and prints a line for each decoy model."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--drawings", type=Path)
    asked.add_argument("--photos", type=Path)
    asked.add_argument("--out", type=Path)
    asked.add_argument("--seconds", type=float, help="of one model, measured on an idle machine")
    asked.add_argument("--command", default="")
    asked.add_argument("--date", default="")
    given = asked.parse_args()
    drawings, photos = rows_of(given.drawings), rows_of(given.photos)
    said = figures(drawings, photos)
    said |= {"seconds_per_model": given.seconds, "command": given.command, "date": given.date}
    for row in (*drawings, *photos):
        if row["decoy"] or _confirmed(row):
            own = max((each["own"] - each["peers"] for each in hits(row)), default=0.0)
            print(
                f"{row['model']:28} {row['worn_by']:7} learned {row['insertion'] or 0:.2f} "
                f"confirmed {len(hits(row))} of {len(row['proposed'])} beyond {own:.2f} "
                f"others {[each['target'] for each in _confirmed(row) if each not in hits(row)]}"
            )
    text = json.dumps(said, indent=1) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
