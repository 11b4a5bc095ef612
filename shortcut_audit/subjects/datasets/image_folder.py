"""Photographs in one folder per class, torchvision's layout: root/cat/123.jpg."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from shortcut_audit.errors import DataError, did_you_mean
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.pictures import check_split, pictures

SUFFIXES = {".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"}  # torchvision's IMG_EXTENSIONS


@register("dataset")
@dataclass(frozen=True)
class ImageFolder:
    """`train` and `validation` hold one folder per class; `background`, if any, pictures with none of the classes.

    A picture is turned upright, made RGB, scaled so that its shorter side is `size`, and cropped at its centre. Ids are
    paths within the split's folder. A file that cannot be read is left out and named in `Pictures.broken`.
    """

    train: Path = Path()
    validation: Path = Path()
    background: Path | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The folders of `validation`, sorted; an audit needs no training pictures."""
        return class_folders("validation", self.validation)

    def load(self, split: str, size: int) -> Pictures:
        """Decodes a split at size x size pixels.

        Raises:
            DataError: no such folder, no class or no picture in it, or other classes in `train` than in `validation`.
        """
        check_split(split, size)
        classes = self.classes
        if split == "background":
            root = self.background
            files = [] if root is None else picture_files(existing(split, root))
        else:
            root = self.train if split == "train" else self.validation
            same_classes(class_folders(split, root), classes)
            files = [file for name in classes for file in filled_folder(split, root / name)]
        pixels = np.empty((len(files), 3, size, size), dtype=np.uint8)
        kept: list[str] = []
        broken: list[str] = []
        with ThreadPoolExecutor() as pool, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which does not matter here
            for file, each in zip(files, pool.map(partial(decode, size=size), files), strict=True):
                if isinstance(each, str):
                    broken.append(each)
                else:
                    pixels[len(kept)] = each.transpose(2, 0, 1)
                    kept.append(file.relative_to(root or Path()).as_posix())
        if files and not kept:
            raise DataError(f"none of the {len(files)} pictures in '{root}' can be read; the first: {broken[0]}")
        labels = [-1 if split == "background" else classes.index(each.split("/")[0]) for each in kept]
        return pictures(torch.from_numpy(pixels[: len(kept)]), labels, kept, classes, broken=broken)


def existing(split: str, folder: Path) -> Path:
    """The folder itself, if it is one."""
    if folder.is_dir():
        return folder
    found = "is a file" if folder.exists() else "does not exist"
    beside = [each.name for each in folder.parent.iterdir() if each.is_dir()] if folder.parent.is_dir() else []
    hint = did_you_mean(folder.name, beside) if beside else ": check the path in the scenario"
    raise DataError(f"the {split} folder '{folder}' {found}{hint}")


def class_folders(split: str, root: Path) -> tuple[str, ...]:
    """Names of the class folders, sorted; hidden ones are none."""
    found = sorted(each.name for each in existing(split, root).iterdir() if each.is_dir() and not each.name.startswith("."))
    if not found:
        raise DataError(f"the {split} folder '{root}' has no folder in it: give each class a folder of its own")
    return tuple(found)


def same_classes(found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Raises DataError with what `train` lacks of the classes in `validation`, and what it has beyond them."""
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or extra:
        said = [f"{word} {', '.join(names)}" for word, names in (("lacks", missing), ("also has", extra)) if names]
        raise DataError(f"the train folder {' and '.join(said)}, compared with validation: both need the same class folders")


def filled_folder(split: str, folder: Path) -> list[Path]:
    """The pictures of a class, at least one."""
    files = picture_files(folder)
    if not files:
        raise DataError(f"the {split} folder has no picture of '{folder.name}': put one into '{folder}', or remove the folder")
    return files


def picture_files(folder: Path) -> list[Path]:
    """Every picture below the folder, sorted by its path; hidden files are none."""
    files = [file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")]
    return sorted((file for file in files if file.is_file()), key=lambda file: file.relative_to(folder).as_posix())


def decode(file: Path, size: int) -> np.ndarray | str:
    """(size, size, 3) uint8, or the sentence that says why the file cannot be read."""
    try:
        with Image.open(file) as opened:
            opened.draft(None, (2 * size, 2 * size))  # a JPEG is decoded at a fraction of its size, if that is ample
            upright = as_rgb(ImageOps.exif_transpose(opened))
        width, height = (int(size * length / min(upright.size)) for length in upright.size)  # rounded as torchvision does
        scaled = upright.resize((width, height), Image.Resampling.BILINEAR)  # Pillow's resizing is antialiased
        left, top = round((width - size) / 2), round((height - size) / 2)
        return np.asarray(scaled.crop((left, top, left + size, top + size)))
    except Exception as error:  # a decoder raises whatever it comes across in a broken file
        return f"'{file}' cannot be read: {' '.join(str(error).split())}"


def as_rgb(picture: Image.Image) -> Image.Image:
    """Any mode as RGB: 16-bit grey is scaled to 8 bits, and what is transparent becomes white."""
    if picture.mode.startswith("I;16") or picture.mode == "I":
        return Image.fromarray((np.asarray(picture).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer).convert("RGB")
    return picture.convert("RGB")
