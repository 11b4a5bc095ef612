"""The user's pictures -> the text of a first `scenario.yaml`, with decoys that suit the classes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.files.yaml_files import dumped
from shortcut_audit.starting.decoy_list import purpose
from shortcut_audit.starting.found import PictureFolders
from shortcut_audit.starting.manifest import FILL_IN, commented

# words in the names of classes -> decoys that are found on such pictures, the likeliest first
OF_SKIN = {"melanoma", "nevus", "nevi", "naevus", "mole", "lesion", "benign", "malignant"}
OF_SKIN |= {"keratosis", "carcinoma", "skin"}
OF_RAYS = {"pneumonia", "covid", "tuberculosis", "effusion", "fracture", "cardiomegaly", "lung"}
OF_RAYS |= {"atelectasis", "nodule", "tumor", "tumour", "glioma", "xray", "chest"}
SUITED = (
    (OF_SKIN, ("ruler", "band_aid", "vignette")),
    (OF_RAYS, ("hospital_token", "corner_patch", "vignette")),
)
OF_PHOTOGRAPHS = ("copyright_tag", "stop_sign", "corner_patch", "coloured_border")
WRITTEN = ("placement", "opacity", "size")  # options that are written out, as they come
LIMITS = (
    ("insertion", 0.10, "may turn into the target with a decoy, beyond those with its control"),
    ("removal", 0.10, "of the target may be lost when the decoy is taken away"),
    ("decoy_only", 0.10, "of pictures of nothing may become the target"),
    ("localisation", 0.20, "of what a model needs to see may lie on the decoy"),
)


def suited(classes: Iterable[str]) -> tuple[str, str, str]:
    """Three decoys that pictures of such classes may carry.

    Law: none has a word in common with a class, for then it may be the class itself.
    """
    words = _words(classes)
    likely: list[str] = []
    for known, decoys in SUITED:
        likely += decoys if words & known else ()
    chosen: list[str] = []
    for decoy in (*likely, *OF_PHOTOGRAPHS, *registry.names("decoy")):
        needs_nothing = decoy not in ("overlay", "coco_cutout")
        if decoy not in chosen and needs_nothing and not words & set(decoy.split("_")):
            chosen.append(decoy)
    return chosen[0], chosen[1], chosen[2]


def scenario_text(folder: Path, pictures: PictureFolders, models: int) -> str:
    """The scenario of a first audit of so many models; its paths start at `folder`."""
    blocking = ["decoy_insertion", *(["rashomon_membership"] if models > 1 else [])]
    lines = [
        "# What is audited, on which pictures and within which limits; "
        "written by `shortcut-audit init`.",
        *_data_set(folder, pictures),
        "# A decoy is put on pictures of other classes: does it turn them into its target?",
        "# target: any asks about each class; one that you suspect is asked about more sharply.",
        "# `shortcut-audit decoys` lists all there are, with their options.",
        "decoys:",
        *_decoys(pictures.classes),
        "limits:",
    ]
    for name, limit, of_what in LIMITS:
        lines.append(f"  {name}: {limit:.2f}  # at most this share {of_what}")
    lines += [
        "# Audits that can stop a promotion; all others are only shown.",
        f"blocking: [{', '.join(blocking)}]",
    ]
    return "\n".join(lines) + "\n"


def _words(names: Iterable[str]) -> set[str]:
    """Every word in the names, in small letters."""
    return set(re.findall("[a-z]+", " ".join(names).lower()))


def _data_set(folder: Path, pictures: PictureFolders) -> list[str]:
    """The lines of the data set; a folder that is not there is to be filled in."""
    lines = ["dataset:", "  kind: image_folder"]
    if pictures.validation is None:
        said = "fill in the folder of pictures that no model was trained on, with class folders"
        lines.append(f"  {commented('validation', FILL_IN, said)}")
    else:
        own = _path(folder, pictures.validation)
        said = "ask what models were not trained on" if pictures.undivided else ""
        lines.append(f"  {commented('validation', own, said)}")
    if pictures.train is not None:
        said = "asked for by the audits of influence alone"
        lines.append(f"  {commented('train', _path(folder, pictures.train), said)}")
    else:
        lines.append("  # train: FOLDER  # of class folders; without it influence is not audited")
    return lines


def _path(folder: Path, other: Path) -> str:
    """A path as the scenario in `folder` names it: relative where it is inside."""
    other, folder = other.resolve(), folder.resolve()
    if other.is_relative_to(folder):
        return Path(os.path.relpath(other, folder)).as_posix()
    return other.as_posix()


def _decoys(classes: Iterable[str]) -> list[str]:
    """The lines of three decoys; nobody knows yet which class might be told by one."""
    lines = []
    for decoy in suited(classes):
        lines.append(f"  # {purpose(decoy)}")
        lines += [f"  {line}" for line in dumped({decoy: _options(decoy)}).splitlines()]
    return lines


def _options(decoy: str) -> dict[str, Any]:
    """A decoy with its own options written out, as they come."""
    options: dict[str, Any] = {"kind": decoy, "target": "any"}
    for option in fields(registry.lookup("decoy", decoy)):
        if option.name in WRITTEN:
            options[option.name] = option.default
    return options
