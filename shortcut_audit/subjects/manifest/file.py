"""`rashomon.yaml` -> Manifest: what the file may say, checked key by key."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from shortcut_audit.files.checking import checked
from shortcut_audit.files.whole import canonical
from shortcut_audit.files.yaml_files import read_mapping
from shortcut_audit.inputs_and_outputs import Answers, Interpolation
from shortcut_audit.settings import Part

MANIFEST = "rashomon.yaml"
# a name is part of a pytest id, a file name and a JUnit case
FORBIDDEN = re.compile(r"^\.|[/\\\[\]@\s\x00-\x1f\x7f]|::")

Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Mean = Annotated[float, Field(allow_inf_nan=False)]
Side = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Temperature = Annotated[float, Field(gt=0, allow_inf_nan=False)]


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
    """What the network takes: pictures of this size, and how their values in [0, 1] are normalised.

    A picture is scaled so that its shorter side is `resize` and cropped at its centre to `size`;
    `crop` is size / resize, for those who know the ratio. With `squash` it loses its shape instead:
    both of its sides are scaled, to `resize` or else to `size`. Mean and std have one value for
    each of `channels`.
    """

    size: Side | tuple[Side, Side] | None = None  # the side in pixels, or height and width
    resize: int | None = Field(None, ge=1)  # pixels
    crop: float | None = Field(None, gt=0, le=1)
    squash: bool | None = None
    interpolation: Interpolation | None = None
    channels: Literal[1, 3, 4] | None = None
    mean: tuple[Mean, ...] | None = None
    std: tuple[Deviation, ...] | None = None

    @field_validator("mean", "std")
    @classmethod
    def _of_shares(cls, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        """Raises ValueError for a mean or a deviation of values in [0, 255], or of two channels."""
        if values and max(values) > 1:
            raise ValueError(
                f"{max(values):g} is too large: mean and std are of pixel values in [0, 1], "
                "so divide by 255"
            )
        if values is not None and len(values) not in (1, 3, 4):
            raise ValueError(f"there is one value for each channel (1, 3 or 4), not {len(values)}")
        return values

    @model_validator(mode="after")
    def _scaled_in_one_way(self) -> Input:
        if self.resize and self.crop:
            raise ValueError("resize and crop say the same in two ways: keep one of them")
        return self


class HeadPart(Part):
    """What the outputs mean, as the manifest writes it; see `inputs_and_outputs.Head`.

    A threshold or a temperature is one number, or one for each class by its name.
    """

    answers: Answers | None = None
    threshold: Share | dict[str, Share] | None = None
    temperature: Temperature | dict[str, Temperature] | None = None
    output: str | int | None = None
    probabilities: bool | None = None


class Description(Part):
    """What is known of a model.

    Each key may stand in the model's own entry, at the manifest's top, or in the file itself.
    `classes` are the names of the outputs in their order; or some of them by their numbers, from 0,
    where `outputs` says how many there are; or `imagenet`.
    """

    arch: str | None = None
    arch_options: dict[str, Option] | None = None
    classes: tuple[str, ...] | dict[int, str] | Literal["imagenet"] | None = None
    outputs: int | None = Field(None, ge=1)
    input: Input = Input()
    head: HeadPart = HeadPart()

    @field_validator("classes")
    @classmethod
    def _names_of_classes(cls, classes: Any) -> Any:
        """Each name in composed Unicode; raises ValueError for one that is not a name, or twice."""
        if isinstance(classes, tuple):
            return composed(classes)
        if isinstance(classes, dict):
            if min(classes, default=0) < 0:
                raise ValueError(f"outputs are counted from 0, and there is no {min(classes)}")
            return dict(zip(classes, composed(classes.values()), strict=True))
        return classes


def composed(classes: Iterable[str]) -> tuple[str, ...]:
    """The names in composed Unicode; raises ValueError for one that is not a name, or twice."""
    names = tuple(canonical(name) for name in classes)
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"'{name}' stands there twice")
        if not name or not name.isprintable():
            raise ValueError(f"a class cannot be called {name!r}")
    return names


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
