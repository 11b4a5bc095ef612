"""What a checkpoint says of itself beside its tensors, held against what the manifest says of it.

Words come from anywhere (a training script's arguments, a hub's config.json): whatever is not
understood is passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.errors import UsageError
from shortcut_audit.files.whole import canonical
from shortcut_audit.records import Candidate
from shortcut_audit.subjects.manifest.file import MANIFEST

Words = Mapping[Any, Any]

SECTIONS = (
    *(
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
    ),
    *(
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
    ),
)
HUB_FILES, HUB_STEMS = ("config.json", "preprocessor_config.json"), ("model", "pytorch_model")
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
NAME_TO_INDEX, INDEX_TO_NAME = (
    ("class_to_idx", "label2id", "class_to_index"),
    ("idx_to_class", "id2label", "index_to_class"),
)
SIZES = ("size", "input_size", "img_size", "image_size", "val_crop_size", "crop_size")
MEANS, DEVIATIONS = ("mean", "image_mean", "pixel_mean"), ("std", "image_std", "pixel_std")
NAMES = ("arch", "architecture", "model_name", "model", "backbone")
ACCURACIES = (
    *("val_acc", "val_acc1", "val_accuracy", "val_top1", "valid_acc", "test_acc"),
    *(
        "best_acc",
        "best_acc1",
        "best_accuracy",
        "best_prec1",
        "best_top1",
        "best_val_acc",
        "best_val_accuracy",
        "max_accuracy",
    ),
    *("eval_accuracy", "test_accuracy", "val/acc", "val/accuracy"),
)


def sections(words: Words, depth: int = 3) -> Iterator[Words]:
    """The words and every known section of them, nested ones too."""
    yield words
    for name in SECTIONS:
        inner = words.get(name)
        if isinstance(inner, Mapping) and depth:
            yield from sections(inner, depth - 1)


def hub_words(file: Path) -> Iterator[Words]:
    """What a hub's JSON files beside a checkpoint of the hub's usual names say; unreadable ones say
    nothing.
    """
    if file.stem not in HUB_STEMS:
        return
    for name in HUB_FILES:
        with suppress(OSError, ValueError, RecursionError):
            content = json.loads((file.parent / name).read_bytes())
            if isinstance(content, Mapping):
                yield content


def refuse_contradiction(candidate: Candidate, words: Words) -> None:
    """Compares classes, architecture, size and normalisation, as far as the words say something of
    them.

    Raises:
        UsageError: what the file says, what the manifest says.
    """
    for section in sections(words):
        for compare in (_classes, _size, _normalisation, _architecture):
            if said := compare(section, candidate):
                raise UsageError(_sentence(*said))


def stated_accuracy(words: Words) -> float | None:
    """The share in [0, 1] of pictures that it says the model gets right; the least where it gives
    several; None without any.
    """
    found = []
    for section in sections(words):
        for name in ACCURACIES:
            value = _number(section.get(name))
            if value is not None and 0 <= value <= 100:
                found.append(value if value <= 1 else value / 100)
    return min(found, default=None)


def _sentence(what: str, own: str, other: str) -> str:
    return (
        f"the file says of itself that {what} {own}, and the manifest {other}: correct {MANIFEST}, or save the file without "
        "these words if they are wrong"
    )


Contradiction = tuple[str, str, str] | None  # what, as the file has it, as the manifest has it


def _classes(section: Words, candidate: Candidate) -> Contradiction:
    """Names that both know must stand at the same outputs, in whatever case; those of one alone may
    be another language's.

    A list of another length is about something else: the weights themselves say how many outputs
    there are.
    """
    for own in _lists_of_classes(section):
        if len(own) != len(candidate.classes):
            continue
        pairs = [
            (one.casefold(), other.casefold())
            for one, other in zip(own, candidate.classes, strict=True)
        ]
        both = {one for one, _ in pairs} & {other for _, other in pairs}
        at = next(
            (at for at, pair in enumerate(pairs) if pair[0] != pair[1] and both & set(pair)), None
        )
        if at is not None:
            return f"output {at} is", f"'{own[at]}'", f"that it is '{candidate.classes[at]}'"
    return None


def _lists_of_classes(section: Words) -> Iterator[tuple[str, ...]]:
    for key in LISTS:
        names = section.get(key)
        if isinstance(names, list | tuple):
            yield from _if_names(list(names))
    for key in NAME_TO_INDEX:
        table = section.get(key)
        if isinstance(table, Mapping):
            yield from _in_order(
                {index: name for name, index in table.items() if isinstance(index, int | str)}
            )
    for key in INDEX_TO_NAME:
        table = section.get(key)
        if isinstance(table, Mapping):
            yield from _in_order(table)


def _in_order(by_index: Mapping[Any, Any]) -> Iterator[tuple[str, ...]]:
    with suppress(ValueError):
        table = {int(index): name for index, name in by_index.items()}
        if sorted(table) == list(range(len(table))):
            yield from _if_names([table[at] for at in range(len(table))])


def _if_names(names: list[Any]) -> Iterator[tuple[str, ...]]:
    if names and all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        yield tuple(canonical(name) for name in names)


def _size(section: Words, candidate: Candidate) -> Contradiction:
    for key in SIZES:
        value = section.get(key)
        if key == "size" and (
            "crop_size" in section or not any(_three(section.get(mean)) for mean in MEANS)
        ):
            continue  # before cropping, or of something else than the input
        if isinstance(value, Mapping):  # a hub's {height: 224, width: 224}
            value = value.get("height", value.get("shortest_edge"))
        value = value[-1] if isinstance(value, list | tuple) and value else value
        side = _number(value)
        if side and 8 <= side <= 4096 and side != candidate.size:
            return "its input size is", f"{side:g} pixels ({key})", f"that it is {candidate.size}"
    return None


def _normalisation(section: Words, candidate: Candidate) -> Contradiction:
    for keys, stated, what in ((MEANS, candidate.mean, "mean"), (DEVIATIONS, candidate.std, "std")):
        for key in keys:
            own = _three(section.get(key))
            if own and max(abs(a - b) for a, b in zip(own, stated, strict=True)) > 0.01:
                return (
                    f"the {what} of its input is",
                    f"{_shown(own)}",
                    f"that it is {_shown(stated)}",
                )
    return None


def _three(value: Any) -> tuple[float, ...] | None:
    """Three shares; values in 0..255 are brought to [0, 1]."""
    if not isinstance(value, list | tuple) or len(value) != 3:
        return None
    numbers = [number for each in value if (number := _number(each)) is not None and number >= 0]
    if len(numbers) < 3:
        return None
    return tuple(number / 255 for number in numbers) if max(numbers) > 1.5 else tuple(numbers)


def _architecture(section: Words, candidate: Candidate) -> Contradiction:
    """Only names that the manifest's own source knows, or that give a source with them, can
    contradict it.
    """
    source, _, name = candidate.arch.partition(":")
    if source not in registry.names("architecture"):
        return None
    for key in NAMES:
        said = section.get(key)
        if not isinstance(said, str) or not said:
            continue
        own_source, _, own = said.rpartition(":")
        own = own.partition(".")[0]
        if (
            own_source in ("", source)
            and own != name
            and own in registry.build("architecture", source).names()
        ):
            return "its architecture is", f"'{said}'", f"that it is '{candidate.arch}'"
        if own_source != source and own_source in registry.names("architecture"):
            return "its architecture is", f"'{said}'", f"that it is '{candidate.arch}'"
    return None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    with suppress(TypeError, ValueError, OverflowError):
        number = float(value) if isinstance(value, int | float | str) else math.nan
        return number if math.isfinite(number) else None
    return None


def _shown(values: tuple[Any, ...]) -> str:
    texts = [f"{each:.3g}" if isinstance(each, float) else str(each) for each in values[:6]]
    return ", ".join([*texts, *(["..."] if len(values) > 6 else [])])
