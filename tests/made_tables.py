"""Small tables of pictures, in the layouts that people have them in; nothing can be downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def picture(file: Path, seed: int | str = 0, height: int = 20, width: int = 26) -> Path:
    """A picture of noise, which the seed and the last parts of its path decide."""
    file.parent.mkdir(parents=True, exist_ok=True)
    words = [*"/".join((str(seed), *file.parts[-3:])).encode()]
    pixels = np.random.default_rng(words).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


def table(file: Path, lines: Iterable[object], delimiter: str = ",") -> Path:
    """Lines of cells; a line may be a whole text already."""
    written = [each if isinstance(each, str) else delimiter.join(map(str, each)) for each in lines]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(written) + "\n")
    return file


def waterbirds(root: Path) -> Path:
    """`metadata.csv`: 24 birds, four of each class and split, a third of them over water."""
    lines: list[object] = ["img_id,img_filename,y,split,place,place_filename"]
    for i in range(24):
        name = f"{i % 3 + 1:03d}.Bird/Bird_{i:04d}_{i}.jpg"
        picture(root / name)
        lines.append((i, name, i % 2, i % 3, int(i < 8), "/o/ocean/0001.jpg"))
    return table(root / "metadata.csv", lines)


def celeba(root: Path) -> tuple[Path, Path]:
    """`list_attr_celeba.txt` and `list_eval_partition.txt`: twelve faces, three of them in test."""
    attributes, parts = ["12", "Bald Blond_Hair Male "], []
    for i in range(12):
        name = f"{i + 1:06d}.jpg"
        picture(root / "img_align_celeba" / name)
        attributes.append(f"{name} -1 {1 if i % 2 else -1:2d} {1 if i % 3 else -1:2d}")
        parts.append(f"{name} {i // 4 if i < 8 else 2}")
    return (
        table(root / "list_attr_celeba.txt", attributes),
        table(root / "list_eval_partition.txt", parts),
    )


def nih(root: Path) -> Path:
    """`Data_Entry_2017.csv` and its two lists: patients with several findings, in two folders."""
    lines: list[object] = [
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
        "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
    ]
    findings = ("Cardiomegaly", "No Finding", "Cardiomegaly|Effusion", "Mass")
    names = []
    for i in range(16):
        name = f"{i // 2 + 1:08d}_{i % 2:03d}.png"
        names.append(name)
        picture(root / f"images_{i % 2 + 1:03d}/images" / name)
        tail = (i % 2, i // 2 + 1, 58, "M", "PA", 2682, 2749, 0.143, 0.143, "")
        lines.append((name, findings[i % 4], *tail))
    table(root / "train_val_list.txt", names[:8])
    table(root / "test_list.txt", names[8:])
    return table(root / "Data_Entry_2017.csv", lines)


def chexpert(root: Path) -> Path:
    """`CheXpert-v1.0-small` with `train.csv` and `valid.csv`, blanks and -1 among its labels."""
    home = root / "CheXpert-v1.0-small"
    head = "Path,Sex,Age,Frontal/Lateral,AP/PA,Cardiomegaly,Edema"
    cells = ((1.0, ""), (0.0, 1.0), ("", -1.0), (-1.0, 0.0))
    for split, first in (("train", 1), ("valid", 64541)):
        lines: list[object] = [head]
        for i in range(8):
            name = f"patient{first + i // 2:05d}/study1/view{i % 2 + 1}_frontal.jpg"
            picture(home / split / name, split)
            path = f"CheXpert-v1.0-small/{split}/{name}"
            lines.append((path, "Male", 68, "Frontal", "AP", *cells[i % 4]))
        table(home / f"{split}.csv", lines)
    return home


def isic(root: Path) -> tuple[Path, Path]:
    """ISIC 2019: one column a class, names without suffix, and the lesions in another table."""
    truth: list[object] = ["image,MEL,NV,BCC"]
    about: list[object] = ["image,age_approx,anatom_site_general,lesion_id,sex"]
    for i in range(9):
        picture(root / f"ISIC_2019_Training_Input/ISIC_{i:07d}.jpg")
        truth.append((f"ISIC_{i:07d}", *(float(i % 3 == k) for k in range(3))))
        about.append((f"ISIC_{i:07d}", 55.0, "anterior torso", f"MSK4_{i // 3:07d}", "female"))
    return (
        table(root / "ISIC_2019_Training_GroundTruth.csv", truth),
        table(root / "ISIC_2019_Training_Metadata.csv", about),
    )
