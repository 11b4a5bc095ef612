"""A hub's folder -> what its config.json and preprocessor_config.json say of the model in it.

Two libraries write such folders: timm, which names an `architecture`, and transformers, which names
a `model_type`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shortcut_audit.errors import ModelError
from shortcut_audit.files.checkpoint_files import CONFIG, HUB_FILES, HUB_WEIGHTS
from shortcut_audit.files.whole import unreadable
from shortcut_audit.subjects.manifest.outputs import imagenet
from shortcut_audit.subjects.manifest.own_words import UNNAMED
from shortcut_audit.subjects.manifest.preprocessing import (
    Said,
    Words,
    input_of_processor,
    input_of_timm,
    of_images,
)

LONGEST = 20_000_000  # bytes of such a file
OF_WEIGHTS = ("num_classes", "in_chans", "pretrained", "pretrained_cfg", "checkpoint_path")
# of a configuration of transformers: what makes no difference to the network
SAID_ELSEWHERE = {
    "architectures",
    "id2label",
    "label2id",
    "dtype",
    "torch_dtype",
    "transformers_version",
    "problem_type",
    "finetuning_task",
}


def claim_of(file: Path) -> Said:
    """What a hub's folder says of the weights in it, in the manifest's own words.

    Empty where the file is not called as a hub's weights are, or has no configuration beside it.

    Raises:
        ModelError: a configuration is not JSON, or asks for code of its own.
        UsageError: it cannot be read, or says what is not done here.
    """
    if file.name not in HUB_WEIGHTS or not (file.parent / CONFIG).is_file():
        return {}
    config = read_json(file.parent / CONFIG)
    if config.get("auto_map"):
        raise ModelError(
            f"'{CONFIG}' asks to run code that comes with the model (auto_map), which is never "
            "done; name an architecture of its weights in rashomon.yaml, or a factory of your own"
        )
    if isinstance(config.get("architecture"), str):
        said = _of_timm(config)
    elif isinstance(config.get("model_type"), str):
        said = _of_transformers(config)
    else:
        return {}
    if processor := _processor(file.parent):
        said["input"] = {**said.get("input", {}), **input_of_processor(processor)}
    return said


def name_of(file: Path) -> str:
    """What the model of a hub's folder is called: as the folder, or as its repository."""
    folder = file.parent.resolve() if file.parent.name in ("", "..") else file.parent
    if folder.parent.name == "snapshots":  # of a hub's cache: models--OWNER--NAME/snapshots/COMMIT
        return folder.parent.parent.name.rpartition("--")[2]
    return folder.name


def read_json(path: Path) -> dict[str, Any]:
    """What a JSON file says.

    Raises:
        ModelError: it is no JSON mapping. UsageError, MachineError: it cannot be read.
    """
    try:
        content = json.loads(path.read_bytes()) if path.stat().st_size <= LONGEST else None
    except OSError as error:
        raise unreadable(path, error) or error from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ModelError(f"'{path.name}' is not a JSON mapping of the usual length")
    return content


def _processor(folder: Path) -> Words:
    """What the image processor's own file says, or its part of a processor's; {} without any."""
    for name in HUB_FILES[1:]:
        if (folder / name).is_file():
            return of_images(read_json(folder / name))
    return {}


def _of_timm(config: Words) -> Said:
    """As timm's own loader reads it."""
    prepared = config.get("pretrained_cfg", config)
    prepared = prepared if isinstance(prepared, Mapping) else {}
    options = config.get("model_args") or {}
    prepared = _as_built(prepared, options)
    count = config.get("num_classes", prepared.get("num_classes"))
    names = config.get("label_names") or prepared.get("label_names") or prepared.get("labels")
    said: Said = {
        "arch": f"timm:{config['architecture']}",
        "arch_options": {key: each for key, each in options.items() if key not in OF_WEIGHTS},
        "input": input_of_timm(prepared),
    }
    if isinstance(names, list) and names and len(set(map(str, names))) == len(names):
        return said | {"classes": [str(name) for name in names]}
    of_imagenet = str(prepared.get("tag", "")).endswith("in1k") and count in (1000, 1001)
    return said | ({"classes": "imagenet", "outputs": count} if of_imagenet else {})


def _as_built(prepared: Words, options: Words) -> Words:
    """The `pretrained_cfg` with the input for which the network was built, if that is another."""
    shape = prepared.get("input_size")
    if not isinstance(shape, list) or len(shape) != 3:
        return prepared
    side = options.get("img_size")
    sides = shape[1:] if side is None else [side, side] if isinstance(side, int) else list(side)
    return {**prepared, "input_size": [options.get("in_chans", shape[0]), *sides]}


def _of_transformers(config: Words) -> Said:
    """As AutoModelForImageClassification reads it."""
    kept = {key: config[key] for key in sorted(config) if key not in SAID_ELSEWHERE}
    kept = {key: each for key, each in kept.items() if not key.startswith("_")}
    said: Said = {
        "arch": f"transformers:{config['model_type']}",
        "arch_options": {"config": json.dumps(kept, sort_keys=True)},
        "input": _input(config),
        **_classes(config.get("id2label")),
    }
    if config.get("problem_type") == "multi_label_classification":
        said["head"] = {"answers": "labels"}
    return said


def _input(config: Words) -> Said:
    """The size and channels for which such a network is built."""
    said: Said = {}
    size = config.get("image_size")
    if isinstance(size, int) and size > 0:
        said["size"] = size
    if config.get("num_channels") in (1, 3, 4):
        said["channels"] = config["num_channels"]
    return said


def _classes(table: Any) -> Said:
    """The classes of `id2label`, as far as somebody has named them."""
    if not isinstance(table, Mapping) or not table:
        return {}
    try:
        named = {int(at): str(name) for at, name in table.items()}
    except ValueError:
        return {}
    names = [named.get(at, "") for at in range(len(named))]
    if of_imagenet(names):
        return {"classes": "imagenet", "outputs": len(names)}
    if all(UNNAMED.fullmatch(name) for name in names) or len(set(names)) < len(names):
        return {}
    return {"classes": names}


def of_imagenet(names: Sequence[str]) -> bool:
    """Whether these are the names of ImageNet's classes, each perhaps with others behind it.

    Of 1001 the first is the background.
    """
    known = imagenet()
    own = names[len(names) - len(known) :]
    if len(names) - len(known) not in (0, 1):
        return False
    alike = 0
    for name, usual in zip(own, known, strict=True):
        alike += name.partition(",")[0].casefold() == usual.casefold()
    return alike >= 0.9 * len(known)
