"""What a checkpoint says of itself beside its tensors, held against what the manifest says of it.

Words come from anywhere (a training script's arguments, a hub's config.json): whatever is not
understood is passed over.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.files.checkpoint_files import CONFIG, HUB_FILES
from shortcut_audit.files.whole import canonical
from shortcut_audit.inputs_and_outputs import InputSize
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.manifest.file import MANIFEST
from shortcut_audit.subjects.manifest.preprocessing import (
    framing_in,
    input_of_processor,
    of_images,
    refuse_exchanged_colours,
)

Words = Mapping[Any, Any]
Contradiction = tuple[str, str, str] | None  # what, as the file has it, as the manifest has it

SECTIONS = (
    "args",
    "hyper_parameters",
    "hparams",
    "hparam",
    "config",
    "cfg",
    "meta",
    "metadata",
    "model_args",
    "model_config",
    "opt",
    "input",
    "data",
    "data_config",
    "pretrained_cfg",
    "default_cfg",
    "extra",
    "info",
    "results",
    "metrics",
    "params",
)
HUB_STEMS = ("model", "pytorch_model", "model.safetensors.index", "pytorch_model.bin.index")
LISTS = (
    "classes",
    "class_names",
    "labels",
    "label_names",
    "class_list",
    "categories",
    "CLASSES",
    "target_names",
)
NAME_TO_INDEX = ("class_to_idx", "label2id", "class_to_index")
INDEX_TO_NAME = ("idx_to_class", "id2label", "index_to_class")
SIZES = ("size", "input_size", "img_size", "image_size", "val_crop_size", "crop_size")
MEANS = ("mean", "image_mean", "pixel_mean")
DEVIATIONS = ("std", "image_std", "pixel_std")
NAMES = ("arch", "architecture", "model_name", "model", "backbone")
ACCURACIES = (
    "val_acc",
    "val_acc1",
    "val_accuracy",
    "val_top1",
    "valid_acc",
    "test_acc",
    "best_acc",
    "best_acc1",
    "best_accuracy",
    "best_prec1",
    "best_top1",
    "best_val_acc",
    "best_val_accuracy",
    "max_accuracy",
    "eval_accuracy",
    "test_accuracy",
    "val/acc",
    "val/accuracy",
)
UNNAMED = re.compile(r"LABEL_\d+")  # what transformers calls an output that nobody has named
# problem_type of a configuration of transformers -> answers of a head
ANSWERS = {"multi_label_classification": "labels", "single_label_classification": "softmax"}
APART = 0.01  # a mean or a deviation that differs by more is another one


def sections(words: Words, depth: int = 3) -> Iterator[Words]:
    """The words and every known section of them, nested ones too."""
    yield words
    for name in SECTIONS:
        inner = words.get(name)
        if isinstance(inner, Mapping) and depth:
            yield from sections(inner, depth - 1)


def hub_words(file: Path) -> Iterator[Words]:
    """What a hub's JSON files beside a checkpoint say, if it has one of the hub's usual names.

    A file that cannot be read, or is not understood, says nothing.

    Raises:
        UsageError: pictures are read in other colours than can be had here.
    """
    if file.stem not in HUB_STEMS:
        return
    for name in HUB_FILES:
        content: Any = None
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads((file.parent / name).read_bytes())
        if not isinstance(content, Mapping):
            continue
        if name == CONFIG:
            yield content
            continue
        refuse_exchanged_colours(said := of_images(content))
        with suppress(UsageError):
            yield input_of_processor(said)


def refuse_contradiction(candidate: Candidate, words: Words) -> None:
    """Compares classes, architecture, input and normalisation with those that the words give.

    Raises:
        UsageError: what the file says, what the manifest says.
    """
    for section in sections(words):
        for compare in (_classes, _size, _framing, _normalisation, _architecture, _head):
            if said := compare(section, candidate):
                raise UsageError(_sentence(*said))


def stated_accuracy(words: Words) -> float | None:
    """The share in [0, 1] of pictures that the words say the model gets right; None without any.

    It is the least where they give several.
    """
    found = []
    for section in sections(words):
        for name in ACCURACIES:
            value = _number(section.get(name))
            if value is not None and 0 <= value <= 100:
                found.append(value if value <= 1 else value / 100)
    return min(found, default=None)


def _sentence(what: str, own: str, other: str) -> str:
    """The error about one contradiction."""
    return (
        f"the file says of itself that {what} {own}, and the manifest {other}: correct {MANIFEST}, "
        "or save the file without these words if they are wrong"
    )


def _classes(section: Words, candidate: Candidate) -> Contradiction:
    """Whether a class stands at another output in the file than in the manifest.

    A name that only one of the two knows is no contradiction: it may be in another language. Nor is
    a list of another length, which is about something else: the weights themselves say how many
    outputs there are.
    """
    for own in lists_of_classes(section):
        if len(own) != len(candidate.classes):
            continue
        at = _first_moved(own, candidate.classes)
        if at is not None:
            return f"output {at} is", f"'{own[at]}'", f"that it is '{candidate.classes[at]}'"
    return None


def _first_moved(own: Sequence[str], stated: Sequence[str]) -> int | None:
    """The first place where the lists differ and have a name that is in both, in whatever case."""
    ours = [name.casefold() for name in own]
    theirs = [name.casefold() for name in stated]
    both = set(ours) & set(theirs)
    for at, pair in enumerate(zip(ours, theirs, strict=True)):
        if pair[0] != pair[1] and both & set(pair):
            return at
    return None


def lists_of_classes(section: Words) -> Iterator[tuple[str, ...]]:
    """Every list of class names that a section gives, in the order of the outputs."""
    for key in LISTS:
        names = section.get(key)
        if isinstance(names, list | tuple):
            yield from _if_names(list(names))
    for key in NAME_TO_INDEX:
        table = section.get(key)
        if isinstance(table, Mapping):
            yield from _in_order(_by_index(table))
    for key in INDEX_TO_NAME:
        table = section.get(key)
        if isinstance(table, Mapping):
            yield from _in_order(table)


def _by_index(table: Words) -> Words:
    """Index -> name, from name -> index; what is no index is passed over."""
    return {index: name for name, index in table.items() if isinstance(index, int | str)}


def _in_order(by_index: Words) -> Iterator[tuple[str, ...]]:
    """The names in the order of their indices, if those are 0, 1, 2 and so on."""
    try:
        table = {int(index): name for index, name in by_index.items()}
    except ValueError:
        return
    indices = list(range(len(table)))
    if sorted(table) == indices:
        yield from _if_names([table[index] for index in indices])


def _if_names(names: list[Any]) -> Iterator[tuple[str, ...]]:
    """The list itself, in composed Unicode, if it holds names of which no two are the same."""
    if not names or not all(isinstance(name, str) for name in names):
        return
    if len(set(names)) == len(names) and not all(map(UNNAMED.fullmatch, names)):
        yield tuple(canonical(name) for name in names)


def _size(section: Words, candidate: Candidate) -> Contradiction:
    """Whether the file gives another side of the input, in pixels."""
    for key in SIZES:
        if key == "size" and not is_of_the_input(section):
            continue
        side = side_of(section.get(key))
        own = InputSize.of(candidate.size)
        if side and 8 <= side <= 4096 and side not in (own.height, own.width):
            return "its input size is", f"{side:g} pixels ({key})", f"that it is {int(own)}"
    return None


def _framing(section: Words, candidate: Candidate) -> Contradiction:
    """Whether the file has pictures scaled to another size before the crop, or otherwise."""
    own, said = InputSize.of(candidate.size), framing_in(section)
    if said.get("size") != int(own):  # of another input, which `_size` speaks of
        return None
    if abs(said["resize"] - own.resize) > 1:  # one pixel is rounding
        words = f"{said['resize']} pixels and then cropped"
        return "pictures are scaled to", words, f"that it is to {own.resize} (input: resize)"
    by = said.get("interpolation", own.interpolation)
    if by != own.interpolation:
        words = f"that it is by '{own.interpolation}' (input: interpolation)"
        return "pictures are scaled by", f"'{by}' interpolation", words
    if said.get("squash", False) != own.squash:
        ways = ("keep theirs", "are squashed to the input's shape")
        words = f"that they {ways[own.squash]} (input: squash)"
        return "pictures", ways[not own.squash], words
    return None


def is_of_the_input(section: Words) -> bool:
    """Whether the section's plain `size` is the input's: not one before cropping, or of a file."""
    return "crop_size" not in section and any(three_shares(section.get(mean)) for mean in MEANS)


def side_of(value: Any) -> float | None:
    """The side in pixels: of a number, of a list (c, h, w), or of a hub's {height: 224, ...}."""
    if isinstance(value, Mapping):
        value = value.get("height", value.get("shortest_edge"))
    if isinstance(value, list | tuple) and value:
        value = value[-1]
    return _number(value)


def _normalisation(section: Words, candidate: Candidate) -> Contradiction:
    """Whether the file gives another mean or standard deviation of the input."""
    for keys, stated, what in ((MEANS, candidate.mean, "mean"), (DEVIATIONS, candidate.std, "std")):
        for key in keys:
            own = three_shares(section.get(key))
            if len(stated) != 3:  # of grey pictures, or of four channels
                continue
            if own and max(abs(a - b) for a, b in zip(own, stated, strict=True)) > APART:
                return f"the {what} of its input is", _shown(own), f"that it is {_shown(stated)}"
    return None


def three_shares(value: Any) -> tuple[float, ...] | None:
    """Three shares; values in 0..255 are brought to [0, 1]."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    numbers = []
    for each in value:
        number = _number(each)
        if number is None or number < 0:
            return None
        numbers.append(number)
    return tuple(number / 255 for number in numbers) if max(numbers) > 1.5 else tuple(numbers)


def _architecture(section: Words, candidate: Candidate) -> Contradiction:
    """Whether the file names another architecture.

    Only a name that the manifest's own source knows can contradict it, or one that gives another
    source.
    """
    source, _, name = candidate.arch.partition(":")
    sources = registry.names("architecture")
    if source not in sources:
        return None
    for key in NAMES:
        said = section.get(key)
        if not isinstance(said, str) or not said:
            continue
        own_source, _, own = said.rpartition(":")
        if own_source in ("", source):
            other = own.partition(".")[0]  # without the tag of its weights
            differs = other != name and other in registry.build("architecture", source).names()
        else:
            differs = own_source in sources
        if differs:
            return "its architecture is", f"'{said}'", f"that it is '{candidate.arch}'"
    return None


def _head(section: Words, candidate: Candidate) -> Contradiction:
    """Whether the file has another kind of answers."""
    said, own = ANSWERS.get(str(section.get("problem_type"))), candidate.head.answers
    if said is None or (said == "labels") is (own == "labels"):
        return None
    return "its head answers with", f"'{said}' (problem_type)", f"that it does with '{own}'"


def _number(value: Any) -> float | None:
    """A finite number, also one that is written as a text; None for anything else."""
    if isinstance(value, bool):
        return None
    with suppress(TypeError, ValueError, OverflowError):
        number = float(value) if isinstance(value, int | float | str) else math.nan
        return number if math.isfinite(number) else None
    return None


def _shown(values: Sequence[float]) -> str:
    """`0.485, 0.456, 0.406`."""
    return ", ".join(f"{each:.3g}" for each in values)
