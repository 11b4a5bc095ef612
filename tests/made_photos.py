"""Small folders in the layout of COCO and of ImageNet, made for a test: nothing here can be
downloaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CATEGORIES = ("cat", "pizza", "zebra", "car", "laptop", "stop sign", "dog")
WIDTH, HEIGHT = 80, 60
RED, GREY, WHITE = (200, 20, 30), (120, 120, 125), (250, 250, 250)


def box(left: float, top: float, right: float, bottom: float) -> list[list[float]]:
    """A rectangle as a COCO polygon; it covers just these pixels."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def instance(category: str, segmentation: Any, crowd: bool = False) -> dict[str, Any]:
    return {
        "category_id": CATEGORIES.index(category) + 1,
        "segmentation": segmentation,
        "iscrowd": int(crowd),
    }


class MadeCoco:
    """COCO's folders under `root`, of any year; `add` an image, then `write` the annotations."""

    def __init__(self, root: Path, year: int = 2017) -> None:
        self.root, self.year = root, year
        self.contents: dict[str, dict[str, list[Any]]] = {}
        (root / "annotations").mkdir(parents=True, exist_ok=True)

    def content(self, split: str) -> dict[str, list[Any]]:
        (self.root / f"{split}{self.year}").mkdir(exist_ok=True)
        categories = [{"id": i, "name": name} for i, name in enumerate(CATEGORIES, 1)]
        return self.contents.setdefault(
            split, {"images": [], "annotations": [], "categories": categories}
        )

    def add(
        self,
        split: str,
        *instances: dict[str, Any],
        colour: tuple[int, int, int] | None = None,
        saved: bool = True,
    ) -> str:
        """One image of noise, with a plain colour and a white stripe in each `box`; the file's
        name.
        """
        content = self.content(split)
        number = len(content["images"]) + 1
        name = f"{number:012d}.png"
        content["images"].append(
            {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT}
        )
        pixels = np.random.default_rng((number, len(split))).integers(
            0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8
        )
        for each in instances:
            content["annotations"].append(
                {**each, "id": len(content["annotations"]) + 1, "image_id": number}
            )
            if (
                colour
                and isinstance(each["segmentation"], list)
                and len(each["segmentation"][0]) == 8
            ):
                left, top, _, _, right, bottom, *_ = (
                    int(value) for value in each["segmentation"][0]
                )
                pixels[top:bottom, left:right] = colour
                pixels[(2 * top + bottom) // 3 : (top + 2 * bottom) // 3, left:right] = WHITE
        if saved:
            Image.fromarray(pixels).save(self.root / f"{split}{self.year}" / name)
        return name

    def write(self) -> Path:
        for split, content in self.contents.items():
            (self.root / "annotations" / f"instances_{split}{self.year}.json").write_text(
                json.dumps(content)
            )
        return self.root


def coco(root: Path) -> Path:
    """Three large pictures of each of the five classes, a stop sign and five of nothing, in both
    splits.
    """
    made = MadeCoco(root)
    for split in ("train", "val"):
        for name in CATEGORIES[:5]:
            for _ in range(3):
                made.add(split, instance(name, box(10, 10, 60, 50)))
        made.add(split, instance("stop sign", box(4, 4, 54, 54)), colour=RED)
        made.add(split, instance("stop sign", box(20, 8, 66, 56)), colour=(230, 60, 60))
        for _ in range(5):
            made.add(split, instance("dog", box(0, 0, 9, 9)))
    return made.write()


def imagenet(
    root: Path,
    wnids: tuple[str, ...],
    others: tuple[str, ...] = ("n00000001",),
    validation: str = "val",
) -> Path:
    """Four pictures for each class and of other classes."""
    for split in ("train", validation):
        for i, name in enumerate((*wnids, *others)):
            (root / split / name).mkdir(parents=True)
            for j in range(4):
                pixels = np.random.default_rng((i, j, len(split))).integers(
                    0, 256, (30, 40, 3), dtype=np.uint8
                )
                Image.fromarray(pixels).save(root / split / name / f"{name}_{j}.JPEG")
    return root
