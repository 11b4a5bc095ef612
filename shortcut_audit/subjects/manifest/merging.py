"""What the file, the manifest's top and a model's own entry say -> one Candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from shortcut_audit.inputs_and_outputs import Head, InputSize
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.manifest.file import Description, HeadPart, Input
from shortcut_audit.subjects.manifest.outputs import names_of_outputs

WAYS = {"resize", "crop", "squash"}  # of scaling: who names one of them leaves the others out
Said = dict[str, Any]


def merged(candidate: Candidate, layers: Sequence[Description]) -> Candidate:
    """Fills in the description; a later layer goes before an earlier one, key by key.

    `arch_options` belong to the `arch` that they stand with: a layer that names another arch begins
    without any. So do `outputs` to their `classes`, and the rest of a head to its `answers`.

    Raises:
        ValueError: what the layers say does not fit together; says what.
    """
    said: Said = {}
    options: Said = {}
    seen: Said = {}
    meant: Said = {}
    for layer in layers:
        if layer.arch not in (None, said.get("arch")):
            options = {}
        options = layer.arch_options if layer.arch_options is not None else options
        if layer.classes is not None:
            said.pop("outputs", None)
        said |= layer.model_dump(exclude_none=True, include={"arch", "classes", "outputs"})
        seen = _over(seen, layer.input)
        own_head = layer.head.model_dump(exclude_none=True)
        meant = own_head if "answers" in own_head else meant | own_head
    outputs = said.pop("outputs", None)
    if classes := said.pop("classes", ()):
        said["classes"] = names_of_outputs(classes, outputs)
    head = _head(meant, said.get("classes", ()))
    said |= {**_input(seen), "head": head}
    return replace(candidate, **said, arch_options=tuple(sorted(options.items())))


def _over(seen: Said, layer: Input) -> Said:
    """What is known of the input, with what a later layer says of it."""
    new = layer.model_dump(exclude_none=True)
    kept = {key: each for key, each in seen.items() if not (key in WAYS and WAYS & new.keys())}
    return kept | new


def _input(seen: Said) -> Said:
    """The candidate's size, channels, mean and std."""
    channels = seen.get("channels", Candidate.channels)
    found: Said = {"channels": channels}
    for key in ("mean", "std"):
        found[key] = _each(key, seen.get(key, getattr(Candidate, key)), channels)
    if size := seen.get("size"):
        found["size"] = _size(size, seen)
    return found


def _each(key: str, values: Sequence[float], channels: int) -> tuple[float, ...]:
    """A value for each channel: one value stands for all, and a fourth channel is left as it is.

    Raises:
        ValueError: there are other values than channels.
    """
    values = tuple(values)
    if len(values) == channels:
        return values
    if len(values) == 1:
        return values * channels
    if len(values) == 3 and channels == 4:
        return (*values, 0.0 if key == "mean" else 1.0)
    if channels == 1 and values == getattr(Candidate, key):
        return (sum(values) / 3,)  # nobody named any: grey is about the mean of the three colours
    raise ValueError(f"input.{key} has {len(values)} values, and there are {channels} channels")


def _size(size: int | Sequence[int], seen: Mapping[str, Any]) -> int:
    """The side, as an int where that says all of it."""
    height, width = (size, size) if isinstance(size, int) else size
    resize = seen.get("resize")
    if crop := seen.get("crop"):
        resize = int(max(height, width) / crop)  # rounded as timm does
    if resize is not None and resize < max(height, width):
        raise ValueError(
            f"input.resize {resize} is below the size {max(height, width)}: a picture is scaled "
            "first and cropped then"
        )
    squash, by = bool(seen.get("squash")), seen.get("interpolation", "bilinear")
    framed = InputSize(height, width, resize, squash, by)
    return int(framed) if framed.plain else framed


def _head(meant: Mapping[str, Any], classes: Sequence[str]) -> Head:
    """The head with a threshold and a temperature for each class that needs one.

    Raises:
        ValueError: a class that is none, or a threshold that such a head has no use for.
    """
    part = HeadPart(**meant)
    answers = part.answers or "softmax"
    if answers == "sigmoid" and classes and len(classes) != 2:
        raise ValueError(
            f"head 'sigmoid' is one logit for the second of two classes, and {len(classes)} are "
            "named: name both, first the one that it speaks against"
        )
    if answers == "softmax" and part.threshold is not None and len(classes) != 2:
        raise ValueError(
            "head.threshold is for a yes or no: for two classes, or for a head of 'sigmoid' or "
            "'labels'"
        )
    if answers == "labels":
        thresholds = _by_class("threshold", part.threshold, classes, 0.5)
    else:
        thresholds = _of_the_second(part.threshold, classes)
    if answers == "sigmoid" and isinstance(part.temperature, Mapping):
        raise ValueError("head.temperature of one logit is one number, not one for each class")
    temperatures = _by_class("temperature", part.temperature, classes, 1.0)
    if len(set(temperatures)) == 1 or answers == "sigmoid":
        temperatures = temperatures[-1:]
    found = Head(answers, thresholds, temperatures, part.output)
    return replace(found, probabilities=bool(part.probabilities))


def _of_the_second(
    value: float | Mapping[str, float] | None, classes: Sequence[str]
) -> tuple[float, ...]:
    """The threshold of the second of two classes, whichever of them it was given for."""
    if not isinstance(value, Mapping):
        return () if value is None else (value,)
    of_each = {1 - each if name == classes[0] else each for name, each in value.items()}
    _by_class("threshold", value, classes, 0.5)  # refuses a name that is none
    if len(of_each) > 1:
        raise ValueError(
            "head.threshold gives two classes thresholds that are not one: "
            f"name that of '{classes[1]}' alone"
        )
    return tuple(of_each)


def _by_class(
    key: str, value: float | Mapping[str, float] | None, classes: Sequence[str], usual: float
) -> tuple[float, ...]:
    """(k,) a value for each class; empty where nobody gives any."""
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        return (value,) * len(classes)
    if unknown := sorted(set(value) - set(classes)):
        raise ValueError(f"head.{key} names '{unknown[0]}', which is none of the classes")
    return tuple(value.get(name, usual) for name in classes)
