"""The folder for the calibration on photographs: pictures that label behaviour are neither learned
from nor audited on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "ci/photographs.py"


def names(folder: Path) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*.jpg")}


def test_every_fifth_training_picture_is_kept_and_a_second_run_changes_nothing(
    tmp_path: Path,
) -> None:
    for split, count in (("train", 12), ("val", 3)):
        for name in ("cat", "dog"):
            (tmp_path / "data" / split / name).mkdir(parents=True)
            for i in range(count):
                (tmp_path / "data" / split / name / f"{i:02d}.jpg").write_text(f"{split}{name}{i}")
    for _ in range(2):
        subprocess.run([sys.executable, SCRIPT, tmp_path / "data", tmp_path / "out"], check=True)
    kept, trained = names(tmp_path / "out/fresh"), names(tmp_path / "out/train")
    assert kept == {f"{name}/{i:02d}.jpg" for name in ("cat", "dog") for i in (0, 5, 10)}
    assert not kept & trained
    assert kept | trained == names(tmp_path / "data/train")
    assert names(tmp_path / "out/val") == names(tmp_path / "data/val")
    assert (tmp_path / "out/fresh/cat/05.jpg").read_text() == "traincat5"
