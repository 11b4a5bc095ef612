"""What a checkpoint says of itself beside its tensors, as far as it is understood."""

from __future__ import annotations

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


def said_classes(words: Words, outputs: int) -> tuple[str, ...]:
    """The first list of as many class names as the model has outputs; empty without any."""
    for section in sections(words):
        for names in lists_of_classes(section):
            if len(names) == outputs:
                return names
    return ()


def said_size(words: Words) -> int | None:
    """The side of the input in pixels."""
    for section in sections(words):
        for key in SIZES:
            side = side_of(section.get(key))
            if side and (key != "size" or is_of_the_input(section)):
                return int(side)
    return None


def said_normalisation(words: Words) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation of pixel values in [0, 1]."""
    for section in sections(words):
        means = [found for key in MEANS if (found := three_shares(section.get(key)))]
        deviations = [found for key in DEVIATIONS if (found := three_shares(section.get(key)))]
        if means and deviations:
            return means[0], deviations[0]
    return None
