"""Photographs of COCO that show exactly one of a few classes, and show it large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.pictures.coco_annotations import (
    Annotations,
    Mask,
    Shot,
    annotated,
    area,
    located,
    pixels,
    union,
)
from shortcut_audit.subjects.pictures.folders import picture_files
from shortcut_audit.subjects.pictures.photographs import (
    BROKEN,
    Photograph,
    check_counts,
    chosen,
    load,
    told,
)
from shortcut_audit.subjects.pictures.record import check_split

CROWD, OTHER, ASIDE = "only a crowd", "with another class", "beyond the {most} asked for"


@register("dataset")
@dataclass(frozen=True)
class Coco:
    """COCO's standard folders under `root`; a class is a category, named as COCO does. Source: the
    thesis, section 3.4.

    An image is kept if exactly one of the classes is on it, crowds included, and "that object
    covers at least `least_area` of the image" is read as: the masks of all its instances together
    do, without crowds, whose masks are no object's. An image whose class is there only as a crowd
    is dropped. Of each class `train` and `validation` pictures are kept at most (None: all), chosen
    by identity. `background` shows none of the classes and none of the categories in `without`.
    `notes` counts what each rule dropped; what is wrong with one file is charged to that file and
    said in `broken`. Ids are paths under `root`.

    Law: an image with two of the classes is never kept, whatever their areas.
    """

    counts_once = True

    root: Path = Path()
    classes: tuple[str, ...] = ("cat", "pizza", "zebra", "car", "laptop")
    least_area: float = 0.10  # of the image, in [0, 1]
    train: int | None = 900
    validation: int | None = 90
    background: int = 100
    without: tuple[str, ...] = ("stop sign",)
    # threads that decode, 0: as many as cores; no part of the recipe
    workers: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        """Raises UsageError for an option out of range."""
        check_counts(train=self.train, validation=self.validation, background=self.background)
        if not 0 <= self.least_area <= 1:
            raise UsageError(
                f"least_area is a share of the image between 0 and 1, not {self.least_area}"
            )
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise UsageError(
                f"a data set has two classes or more, each named once, not {', '.join(self.classes) or 'none'}"
            )

    def load(self, split: str, size: int) -> Pictures:
        """Decodes a split at size x size pixels, class by class, with the masks of the objects.

        Raises:
            DataError: the folders are not there, the annotations cannot be read, or no image is
                left.
            UsageError: a category that COCO does not have.
        """
        check_split(split, size)
        known = annotated(self.root, "train" if split == "train" else "validation")
        return (
            self._background(known, size)
            if split == "background"
            else self._shown(known, split, size)
        )

    def in_the_wild(self, category: str, size: int) -> Pictures:
        """Photographs that show `category`, more than a crowd of it, and none of the classes;
        labels are -1, objects its masks.

        They are the validation split's alone: signs are cut out of the training split's.
        """
        if category in self.classes:
            raise UsageError(
                f"'{category}' is one of the classes: no photograph shows it and none of them"
            )
        counts: Counter[str] = Counter()
        said: list[str] = []
        found = self._wild(annotated(self.root, "validation"), category, counts, said)
        loaded = load(f"in the wild: {category}", found, size, self.classes, self.workers, said)
        counts.update(loaded.dropped.values())
        return replace(
            loaded.pictures,
            notes=(told(f"in the wild: {category}", len(loaded.pictures.ids), counts),),
        )

    def _shown(self, known: Annotations, split: str, size: int) -> Pictures:
        numbers = known.numbers(self.classes)
        counts: list[Counter[str]] = [
            Counter(dict.fromkeys(("photos", OTHER, self._small, CROWD), 0)) for _ in numbers
        ]
        fitting: list[list[Photograph]] = [[] for _ in numbers]
        said = list(known.problems)
        for shot in known.shots:
            labels = sorted(
                {
                    numbers.index(each.category)
                    for each in shot.instances
                    if each.category in numbers
                }
            )
            for label in labels:
                counts[label]["photos"] += 1
                counts[label][OTHER] += len(labels) > 1
            if len(labels) == 1:
                fits = self._fits(shot, numbers[labels[0]], said)
                if isinstance(fits, str):
                    counts[labels[0]][fits] += 1
                else:
                    fitting[labels[0]].append(photograph(shot, fits, labels[0]))
        most: int | None = getattr(self, split)
        taken = [chosen(each, most) for each in fitting]
        if not any(taken):
            rule = f"exactly one of {', '.join(self.classes)} on at least {percent(self.least_area)} of it"
            raise DataError(
                f"no image of '{known.file}' shows {rule}: lower 'least_area', or name other classes"
            )
        every = [each for photographs in taken for each in photographs]
        training = self._training() if split == "validation" else ()
        loaded = load(split, every, size, self.classes, self.workers, said, training)
        for label, count in enumerate(counts):
            count[ASIDE.format(most=most)] = len(fitting[label]) - len(taken[label])
            count.update(
                loaded.dropped[each.identity]
                for each in taken[label]
                if each.identity in loaded.dropped
            )
        kept = [int((loaded.pictures.labels == label).sum()) for label in range(len(numbers))]
        lines = [
            told(f"{split}: {name}", n, count)
            for name, n, count in zip(self.classes, kept, counts, strict=True)
        ]
        whole = f"{split}: {sum(kept)} pictures of {len(numbers)} classes, of {len(known.shots)} photos in '{known.file.name}'"
        return replace(loaded.pictures, notes=(*lines, whole))

    def _training(self) -> Iterator[Path]:
        """The files in the training folder, annotated or not; none where it is not there."""
        try:
            folder = located(self.root, "train")[1]
        except DataError:
            return
        yield from picture_files("train", folder)

    @property
    def _small(self) -> str:
        return f"too small (< {percent(self.least_area)})"

    def _fits(self, shot: Shot, number: int, said: list[str]) -> Mask | str:
        """The object's mask, or the rule that drops the image."""
        instances = [each for each in shot.instances if each.category == number and not each.crowd]
        if not instances:
            return CROWD
        try:
            mask = union(shot, instances)
        except DataError as error:
            said.append(str(error))
            return BROKEN
        return self._small if area(mask) / (shot.width * shot.height) < self.least_area else mask

    def _wild(
        self, known: Annotations, category: str, counts: Counter[str], said: list[str]
    ) -> list[Photograph]:
        number, classes = known.numbers([category])[0], set(known.numbers(self.classes))
        found = []
        for shot in known.shots:
            shown = {each.category for each in shot.instances}
            counts["photos"] += number in shown
            counts["with one of the classes"] += number in shown and not shown.isdisjoint(classes)
            if number in shown and shown.isdisjoint(classes):
                fits = replace(self, least_area=0)._fits(shot, number, said)
                if isinstance(fits, str):
                    counts[fits] += 1
                else:
                    found.append(photograph(shot, fits, -1))
        return found

    def _background(self, known: Annotations, size: int) -> Pictures:
        classes, without = set(known.numbers(self.classes)), set(known.numbers(self.without))
        empty, counts = [], Counter[str]()
        for shot in known.shots:
            shown = {each.category for each in shot.instances}
            counts["photos"] += shown.isdisjoint(classes)
            if shown.isdisjoint(classes | without):
                empty.append(photograph(shot, None, -1))
        taken = chosen(empty, self.background)
        loaded = load("background", taken, size, self.classes, self.workers, known.problems)
        counts[f"with {' or '.join(self.without)}"] = counts["photos"] - len(empty)
        counts[ASIDE.format(most=self.background)] = len(empty) - len(taken)
        counts.update(loaded.dropped.values())
        return replace(
            loaded.pictures,
            notes=(told("background: none of the classes", len(loaded.pictures.ids), counts),),
        )


def percent(share: float) -> str:
    """`10 %`"""
    return f"{100 * share:g} %"


def photograph(shot: Shot, mask: Mask | None, label: int) -> Photograph:
    """The image of which this is the object; None: it has none."""
    outline = partial(pixels, mask) if mask else partial(np.zeros, (shot.height, shot.width), bool)
    return Photograph(shot.file, shot.identity, label, outline)
