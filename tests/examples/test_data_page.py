"""The examples of docs/data.md, run as the page has them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import made_tables
import numpy as np
import pytest
import yaml

from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.tables.marks import marks

PAGE = Path(__file__).parents[2] / "docs/data.md"


def test_half_of_the_cats_and_every_fish_wear_what_the_page_says(tmp_path: Path) -> None:
    section = PAGE.read_text().partition("## A data set with a shortcut in it")[2]
    (example,) = re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)
    (tmp_path / "mine.yaml").write_text(example)
    made: Any = load_scenario(tmp_path / "mine.yaml").build_dataset()
    found, plain = made.load("train", 32), made.of.load("train", 32)
    worn = (found.pixels[:] != plain.pixels[:]).flatten(1).any(1).numpy()
    counts = np.bincount(plain.labels[worn], minlength=5)
    assert dict(zip(found.classes, counts.tolist(), strict=True)) == {
        "cat": 20,
        "fish": 40,
        "house": 0,
        "car": 0,
        "tree": 0,
    }


def table_section() -> list[str]:
    section = PAGE.read_text().partition("## A table")[2].partition("\n## ")[0]
    return re.findall(r"```yaml\n(.*?)```", section, flags=re.DOTALL)


DELIVERED = yaml.safe_load(table_section()[2])


@pytest.mark.parametrize(
    ("name", "classes", "groups", "shown"),
    [
        ("waterbirds", ("landbird", "waterbird"), None, {"water": 3}),
        ("celeba", ("dark", "blond"), None, {"Male": 3}),
        ("nih", ("Cardiomegaly", "Effusion"), 4, {}),
        ("chexpert", ("Cardiomegaly", "Edema"), 2, {}),
        ("isic", ("MEL", "NV", "BCC"), 3, {}),
    ],
)
def test_tables_as_they_are_delivered_are_read(
    tmp_path: Path, name: str, classes: tuple[str, ...], groups: int | None, shown: dict[str, int]
) -> None:
    assert set(DELIVERED) == {"waterbirds", "celeba", "nih", "chexpert", "isic"}
    getattr(made_tables, name)(tmp_path)
    root = tmp_path / "CheXpert-v1.0-small" if name == "chexpert" else tmp_path
    (root / "s.yaml").write_text(yaml.safe_dump({"dataset": DELIVERED[name], "decoys": {}}))
    found = load_scenario(root / "s.yaml").build_dataset().load("validation", 16)
    assert found.classes == classes
    assert (None if found.groups is None else len(set(found.groups))) == groups
    assert {each: int(flags.sum()) for each, flags in found.attributes.items()} == shown


def test_the_small_table_and_its_attributes_are_read(tmp_path: Path) -> None:
    section = PAGE.read_text().partition("## A table")[2]
    scenario, attributes, _ = table_section()
    (lines,) = re.findall(r"\n((?:    [\w./,]+\n)+)", section.partition("Columns with")[0])
    (tmp_path / "scans.csv").write_text(lines.replace("    ", ""))
    for i in (1, 2):
        made_tables.picture(tmp_path / f"a/{i}.png")
    (tmp_path / "s.yaml").write_text(f"{scenario}decoys: {{}}\n")
    found = load_scenario(tmp_path / "s.yaml").build_dataset().load("validation", 16)
    assert found.ids == ("a/2.png",)
    assert found.attributes["drain"].tolist() == [True]
    described = marks(yaml.safe_load(attributes)["attributes"])
    assert [each.has_place for each in described] == [False, True, True, True]
