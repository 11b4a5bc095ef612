"""`rashomon.yaml` -> Manifest: what the file may say, checked key by key."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BeforeValidator, Field, ValidationError, field_validator

from shortcut_audit.errors import UsageError, did_you_mean
from shortcut_audit.scenario import Section

MANIFEST = "rashomon.yaml"
FORBIDDEN = re.compile(r"^\.|[/\\\[\]@\s\x00-\x1f\x7f]|::")  # a name is part of a pytest id, a file name and a JUnit case

Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Mean = Annotated[float, Field(allow_inf_nan=False)]


def _option(value: Any) -> Any:
    """A keyword argument as YAML and JSON write it: a plain value, or a list of such; lists become tuples, to be hashable."""
    if isinstance(value, list | tuple):
        return tuple(_option(each) for each in value)
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"an option of an architecture is a number, a text, true, false or a list of such, not {value!r}")


Option = Annotated[Any, BeforeValidator(_option)]


def composed(name: str) -> str:
    """The name in Unicode's composed form (NFC): what a Mac writes decomposed is the same name."""
    return unicodedata.normalize("NFC", name)


class Input(Section):
    """What the network takes: the side of the square image in pixels, and the normalisation of [0, 1] values."""

    size: int | None = Field(None, ge=1)
    mean: tuple[Mean, Mean, Mean] | None = None
    std: tuple[Deviation, Deviation, Deviation] | None = None

    @field_validator("mean", "std")
    @classmethod
    def _of_shares(cls, values: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        if values and max(values) > 1:
            raise ValueError(f"{max(values):g} is too large: mean and std are of pixel values in [0, 1], so divide by 255")
        return values


class Description(Section):
    """What is known of a model. Each key may stand in its own entry, at the manifest's top, or in the file itself."""

    arch: str | None = None
    arch_options: dict[str, Option] | None = None
    classes: tuple[str, ...] | None = None
    input: Input = Input()

    @field_validator("classes")
    @classmethod
    def _names_of_classes(cls, classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
        classes = tuple(composed(name) for name in classes) if classes is not None else None
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
        named: dict[str, Entry] = {}
        for name, entry in models.items():
            if not name or FORBIDDEN.search(name):
                raise ValueError(f"a model cannot be called {name!r}: leave out spaces, / \\ [ ] @ :: and a first dot")
            if composed(name) in named:
                raise ValueError(f"the model '{name}' stands there twice, its accents written in two ways")
            named[composed(name)] = entry
        return named


class _Loader(yaml.SafeLoader):
    """Safe, and a key that stands twice is an error: YAML would drop the first model of that name in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest file.

    Raises:
        UsageError: not YAML, an unknown key, a key that stands twice, or a value that cannot be; names the file and the key.
    """
    try:
        content = yaml.load(path.read_bytes(), Loader=_Loader)
    except OSError as error:
        raise UsageError(f"cannot read '{path}': {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"'{path}' is not YAML: {' '.join(str(error).split())}") from None
    return checked(Manifest, content, path)


Shape = TypeVar("Shape", bound=Section)


def checked(shape: type[Shape], content: Any, path: Path) -> Shape:
    """The content as this shape; an error names the file and the key.

    Raises:
        UsageError: an unknown key, a missing one, or a value that cannot be.
    """
    if not isinstance(content, dict):
        raise UsageError(f"'{path}' must be a mapping with the key 'models', not {type(content).__name__}")
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        errors = error.errors()
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])  # a typo explains a missing key
    where = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        sections: dict[str, type[Section]] = {"models": Entry, "input": Input}
        section: type[Section] = next(
            (sections[str(part)] for part in reversed(first["loc"][:-1]) if str(part) in sections), shape
        )
        raise UsageError(f"'{path}' has an unknown key '{where}'{did_you_mean(str(first['loc'][-1]), section.model_fields)}")
    if first["type"] == "missing":
        raise UsageError(f"'{path}' lacks the key '{where}'")
    if first["type"] == "value_error":
        raise UsageError(f"'{path}' has a bad value at '{where}': {first['msg'].removeprefix('Value error, ')}")
    advice = " (put it in quotes)" if first["type"] == "string_type" else ""
    raise UsageError(f"'{path}' has {first['input']!r} at '{where}': {first['msg']}{advice}")
