"""What a checkpoint says of itself beside its tensors, as far as it is understood."""

from __future__ import annotations

from contextlib import suppress

from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.subjects.manifest.own_words import (
    DEVIATIONS,
    MEANS,
    SIZES,
    Words,
    is_of_the_input,
    lists_of_classes,
    sections,
    side_of,
    three_shares,
)
from shortcut_audit.subjects.manifest.preprocessing import framing_in


def said_classes(words: Words, outputs: int) -> tuple[str, ...]:
    """The first list of as many class names as the model has outputs; empty without any."""
    for section in sections(words):
        for names in lists_of_classes(section):
            if len(names) == outputs:
                return names
    return ()


def said_outputs(words: Words) -> int:
    """How many outputs the words count or name; 0 where they do not say."""
    for section in sections(words):
        for key in ("num_classes", "num_labels"):
            if isinstance(section.get(key), int):
                return int(section[key])
        if isinstance(section.get("id2label"), dict):
            return len(section["id2label"])
    return 0


def said_size(words: Words) -> int | None:
    """The side of the input in pixels, as an InputSize where pictures are cropped to it."""
    for section in sections(words):
        if said := framing_in(section) or framing_in(_of_weights(section)):
            return _framed(said)
    for section in sections(words):
        for key in SIZES:
            side = side_of(section.get(key))
            if side and (key != "size" or is_of_the_input(section)):
                return int(side)
    return None


def _framed(said: Words) -> int:
    size = InputSize(
        said["size"],
        resize=said["resize"],
        squash=said.get("squash", False),
        interpolation=said.get("interpolation", "bilinear"),
    )
    return int(size) if size.plain else size


def _of_weights(section: Words) -> Words:
    """How torchvision's own weights are shown pictures, where the words name some; else {}.

    Law: nothing is downloaded.
    """
    name = section.get("weights")
    if not isinstance(name, str) or "_Weights." not in name:
        return {}
    from torchvision import models

    with suppress(ValueError, AttributeError, KeyError):
        shown = models.get_weight(name).transforms()
        return {
            "val_crop_size": shown.crop_size[0],
            "val_resize_size": shown.resize_size[0],
            "interpolation": shown.interpolation.value,
        }
    return {}


def said_normalisation(words: Words) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation of pixel values in [0, 1]."""
    for section in sections(words):
        means = [found for key in MEANS if (found := three_shares(section.get(key)))]
        deviations = [found for key in DEVIATIONS if (found := three_shares(section.get(key)))]
        if means and deviations:
            return means[0], deviations[0]
    return None
