"""The data set with a shortcut in it of docs/data.md, as the page has it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from shortcut_audit.scenario import load_scenario

PAGE = Path(__file__).parents[2] / "docs/data.md"


def test_half_of_the_cats_and_every_fish_wear_what_the_page_says(tmp_path: Path) -> None:
    section = PAGE.read_text().partition("## A data set with a shortcut in it")[2]
    (example,) = re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(example)
    made: Any = load_scenario(tmp_path / "mine.yaml").build_dataset()
    found, plain = made.load("train", 32), made.of.load("train", 32)
    worn = (found.pixels != plain.pixels).flatten(1).any(1).numpy()
    counts = np.bincount(plain.labels[worn], minlength=5)
    assert dict(zip(found.classes, counts.tolist(), strict=True)) == {
        "cat": 20,
        "fish": 40,
        "house": 0,
        "car": 0,
        "tree": 0,
    }
