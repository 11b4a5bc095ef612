"""`rashomon.yaml` -> Manifest: what the file may say, checked key by key."""

from __future__ import annotations

import math
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from shortcut_audit.files.checking import checked
from shortcut_audit.files.whole import canonical
from shortcut_audit.files.yaml_files import read_mapping
from shortcut_audit.settings import Part

MANIFEST = "rashomon.yaml"
# a name is part of a pytest id, a file name and a JUnit case
FORBIDDEN = re.compile(r"^\.|[/\\\[\]@\s\x00-\x1f\x7f]|::")

Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Mean = Annotated[float, Field(allow_inf_nan=False)]


def _option(value: Any) -> Any:
    """A keyword argument as YAML and JSON write it: a plain value, or a list of such.

    Lists become tuples, so that a candidate can be hashed.
    """
    if isinstance(value, list | tuple):
        return tuple(_option(each) for each in value)
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise ValueError(
        "an option of an architecture is a number, a text, true, false or a list of such, "
        f"not {value!r}"
    )


Option = Annotated[Any, BeforeValidator(_option)]


class Input(Part):
    """What the network takes: a square image, and the normalisation of its values in [0, 1]."""

    size: int | None = Field(None, ge=1)  # the image's side in pixels
    mean: tuple[Mean, Mean, Mean] | None = None
    std: tuple[Deviation, Deviation, Deviation] | None = None

    @field_validator("mean", "std")
    @classmethod
    def _of_shares(
        cls, values: tuple[float, float, float] | None
    ) -> tuple[float, float, float] | None:
        """Raises ValueError for a mean or a deviation of values in [0, 255]."""
        if values and max(values) > 1:
            raise ValueError(
                f"{max(values):g} is too large: mean and std are of pixel values in [0, 1], "
                "so divide by 255"
            )
        return values


class Description(Part):
    """What is known of a model.

    Each key may stand in the model's own entry, at the manifest's top, or in the file itself.
    """

    arch: str | None = None
    arch_options: dict[str, Option] | None = None
    classes: tuple[str, ...] | None = None
    input: Input = Input()

    @field_validator("classes")
    @classmethod
    def _names_of_classes(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Each name in composed Unicode; raises ValueError for one that is not a name, or twice."""
        if classes is None:
            return None
        classes = tuple(canonical(name) for name in classes)
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
        """The models, names in composed Unicode; raises ValueError for a name that cannot be."""
        named: dict[str, Entry] = {}
        for name, entry in models.items():
            if not name or FORBIDDEN.search(name):
                raise ValueError(
                    f"a model cannot be called {name!r}: "
                    "leave out spaces, / \\ [ ] @ :: and a first dot"
                )
            if canonical(name) in named:
                raise ValueError(
                    f"the model '{name}' stands there twice, its accents written in two ways"
                )
            named[canonical(name)] = entry
        return named


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest file.

    Raises:
        UsageError: not YAML, an unknown key, a key that stands twice, or a value that cannot
            be; names the file and the key.
    """
    return checked(Manifest, manifest_content(path), f"'{path}'")


def manifest_content(path: Path) -> dict[str, Any]:
    """What the file says, as plain values; raises UsageError where it is no YAML."""
    return read_mapping(path, f"'{path}'", "the key 'models'")
