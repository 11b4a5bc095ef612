"""`rashomon.yaml` -> Manifest: what the file may say, checked key by key."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator

from shortcut_audit.checking import checked
from shortcut_audit.scenario import Section
from shortcut_audit.yaml_files import read_mapping

MANIFEST = "rashomon.yaml"
FORBIDDEN = re.compile(r"^\.|[/\\\[\]@\s\x00-\x1f\x7f]|::")  # a name is part of a pytest id, a file name and a JUnit case

Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Mean = Annotated[float, Field(allow_inf_nan=False)]


class Input(Section):
    """What the network takes: the side of the square image in pixels, and the normalisation of [0, 1] values."""

    size: int | None = Field(None, ge=1)
    mean: tuple[Mean, Mean, Mean] | None = None
    std: tuple[Deviation, Deviation, Deviation] | None = None


class Description(Section):
    """What is known of a model. Each key may stand in its own entry, at the manifest's top, or in the file itself."""

    arch: str | None = None
    classes: tuple[str, ...] | None = None
    input: Input = Input()

    @field_validator("classes")
    @classmethod
    def _names_of_classes(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name, times in Counter(classes).items():
            if times > 1:
                raise ValueError(f"'{name}' stands there twice")
            if not name or not name.isprintable():
                raise ValueError(f"a class cannot be called {name!r}")
        return classes


class Entry(Description):
    """One model of the manifest."""

    file: Path
    reference: bool | None = None


class Claim(Description):
    """What a checkpoint says of itself."""

    name: str | None = None
    reference: bool | None = None


class Manifest(Description):
    """`rashomon.yaml`: defaults for all models, the models, and patterns of files that are none."""

    models: dict[str, Entry]
    ignore: tuple[str, ...] = ()

    @field_validator("models")
    @classmethod
    def _names_fit(cls, models: dict[str, Entry]) -> dict[str, Entry]:
        for name in models:
            if not name or FORBIDDEN.search(name):
                raise ValueError(f"a model cannot be called {name!r}: leave out spaces, / \\ [ ] @ :: and a first dot")
        return models


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest file.

    Raises:
        UsageError: not YAML, an unknown key, a key that stands twice, or a value that cannot be; names the file and the key.
    """
    return checked(Manifest, manifest_content(path), f"'{path}'")


def manifest_content(path: Path) -> dict[str, Any]:
    """What the file says, as plain values; raises UsageError where it is no YAML."""
    return read_mapping(path, f"'{path}'", "the key 'models'")
