"""Photographs of COCO that show exactly one of a few classes, and show it large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from shortcut_audit.errors import DataError, UsageError
from shortcut_audit.records import Pictures
from shortcut_audit.registry import register
from shortcut_audit.subjects.decoding.photograph import OBJECT, Photograph
from shortcut_audit.subjects.pictures.coco_annotations import Annotations, Shot, annotated, located
from shortcut_audit.subjects.pictures.folders import picture_files
from shortcut_audit.subjects.pictures.photographs import (
    BROKEN,
    check_counts,
    chosen,
    drops,
    load,
    note_of,
    showing,
)
from shortcut_audit.subjects.pictures.record import check_split
from shortcut_audit.subjects.pictures.segmentations import Mask, area, pixels, union

# reasons to drop a photograph, as they stand after "dropped: 3"
CROWD, OTHER, ASIDE = "only a crowd", "with another class", "beyond the {most} asked for"


@register("dataset")
@dataclass(frozen=True)
class Coco:
    """Photographs of COCO, of which each shows one class.

    An image is kept if exactly one of the classes is on it, crowds included, and if the object
    covers enough of it. The object are all instances of the class together, without crowds, whose
    masks are no object's: an image whose class is there only as a crowd is dropped. `notes` counts
    what each rule dropped; a file that is broken is left out and named in `broken`. Ids are paths
    under `root`. Source: the thesis, section 3.4.

    Law: an image with two of the classes is never kept, whatever their areas.
    """

    counts_once = True
    frames = True

    root: Path = Path()  # with COCO's standard folders
    classes: tuple[str, ...] = ("cat", "pizza", "zebra", "car", "laptop")  # COCO's categories
    least_area: float = 0.10  # of the image that the object covers, in [0, 1]
    train: int | None = 900  # of each class at most (None: all), chosen by identity
    validation: int | None = 90  # likewise
    background: int = 100  # pictures with none of the classes
    without: tuple[str, ...] = ("stop sign",)  # categories that no background shows either
    # threads that decode, 0: as many as cores; no part of the recipe, as the pictures are the same
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
                "a data set has two classes or more, each named once, "
                f"not {', '.join(self.classes) or 'none'}"
            )

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        """Decodes a split at size x size pixels, class by class, with the masks of the objects.

        With a label it decodes only what shows that class.

        Raises:
            DataError: the folders are not there, the annotations cannot be read, or no image is
                left.
            UsageError: a category that COCO does not have.
        """
        check_split(split, size)
        known = annotated(self.root, "train" if split == "train" else "validation")
        if split == "background":
            return self._background(known, size)
        return self._shown(known, split, size, label)

    def in_the_wild(self, category: str, size: int) -> Pictures:
        """Photographs of the validation split that show `category` and none of the classes.

        They show more than a crowd of it. Labels are -1, and objects are its masks. The training
        split is left alone, as signs are cut out of its photographs.

        Raises:
            UsageError: `category` is one of the classes, or COCO does not have it.
            DataError: as `load`.
        """
        if category in self.classes:
            raise UsageError(
                f"'{category}' is one of the classes: no photograph shows it and none of them"
            )
        what = f"in the wild: {category}"
        counts: Counter[str] = Counter()
        said: list[str] = []
        found = self._wild(annotated(self.root, "validation"), category, counts, said)
        loaded = load(what, found, size, self.classes, self.workers, said)
        counts.update(loaded.dropped.values())
        return replace(loaded.pictures, notes=(note_of(what, len(loaded.pictures.ids), counts),))

    def _shown(self, known: Annotations, split: str, size: int, label: int | None) -> Pictures:
        """A split whose pictures show the classes, class by class."""
        said = list(known.problems)
        counts, fitting = self._sorted_out(known, said)
        most: int | None = getattr(self, split)
        taken = [chosen(photographs, most) for photographs in fitting]
        every: list[Photograph] = []
        for photographs in taken:
            every += showing(photographs, label)
        if not every:
            raise DataError(
                f"no image of '{known.file}' shows exactly one of {', '.join(self.classes)} "
                f"on at least {100 * self.least_area:g} % of it: "
                "lower 'least_area', or name other classes"
            )
        training = self._training() if split == "validation" else ()
        loaded = load(split, every, size, self.classes, self.workers, said, training)
        notes = []
        for label, name in enumerate(self.classes):
            count = counts[label]
            count[ASIDE.format(most=most)] = len(fitting[label]) - len(taken[label])
            count.update(drops(taken[label], loaded))
            kept = int((loaded.pictures.labels == label).sum())
            notes.append(note_of(f"{split}: {name}", kept, count))
        whole = (
            f"{split}: {len(loaded.pictures.ids)} pictures of {len(self.classes)} classes, "
            f"of {len(known.shots)} photos in '{known.file.name}'"
        )
        return replace(loaded.pictures, notes=(*notes, whole))

    def _sorted_out(
        self, known: Annotations, said: list[str]
    ) -> tuple[list[Counter[str]], list[list[Photograph]]]:
        """For each class: how many photographs each rule drops, and the photographs that pass.

        `said` is told of each file that is broken.
        """
        numbers = known.numbers(self.classes)
        counts: list[Counter[str]] = []
        fitting: list[list[Photograph]] = []
        for _ in numbers:
            counts.append(Counter(dict.fromkeys(("photos", OTHER, self._small, CROWD), 0)))
            fitting.append([])
        for shot in known.shots:
            labels = labels_on(shot, numbers)
            for label in labels:
                counts[label]["photos"] += 1
                counts[label][OTHER] += len(labels) > 1
            if len(labels) != 1:
                continue
            (label,) = labels
            fits = self._fits(shot, numbers[label], said)
            if isinstance(fits, str):
                counts[label][fits] += 1
            else:
                fitting[label].append(photograph(shot, fits, label))
        return counts, fitting

    def _training(self) -> Iterator[Path]:
        """The files in the training folder, annotated or not; none where it is not there."""
        try:
            folder = located(self.root, "train")[1]
        except DataError:
            return
        yield from picture_files("train", folder)

    @property
    def _small(self) -> str:
        """The reason to drop a photograph whose object is too small."""
        return f"too small (< {100 * self.least_area:g} %)"

    def _fits(self, shot: Shot, number: int, said: list[str]) -> Mask | str:
        """The mask of the category's instances, or the rule that drops the image.

        `said` is told of a file that is broken.
        """
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
        """The photographs for `in_the_wild`; `counts` and `said` are told of those that are not."""
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
        """Photographs that show none of the classes, and no category of `without`."""
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
        note = note_of("background: none of the classes", len(loaded.pictures.ids), counts)
        return replace(loaded.pictures, notes=(note,))


def labels_on(shot: Shot, numbers: Sequence[int]) -> list[int]:
    """The labels of the classes on an image, sorted; `numbers` are the classes' categories."""
    labels = set()
    for each in shot.instances:
        if each.category in numbers:
            labels.add(numbers.index(each.category))
    return sorted(labels)


def photograph(shot: Shot, mask: Mask | None, label: int) -> Photograph:
    """The image as a photograph with its object; without a mask it has none."""
    return Photograph(shot.file, shot.identity, label, {OBJECT: partial(_object, shot, mask)})


def _object(shot: Shot, mask: Mask | None, _: tuple[int, int]) -> np.ndarray:
    """The object of an image of the size that its annotation says."""
    return pixels(mask) if mask else np.zeros((shot.height, shot.width), bool)
