"""A checkpoint -> the format that reads it, the files that belong to it, and the digest of them."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from shortcut_audit import registry
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.files.whole import as_bytes, sha256

# a hub's names for a model's weights; the first that is there is the one that its library reads
HUB_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
CONFIG = "config.json"
# what the model is, and how pictures are brought to it
HUB_FILES = (CONFIG, "preprocessor_config.json", "processor_config.json")
# beside a hub's model: what a training run keeps to go on, and no model
TRAINING_STATE = {
    "training_args.bin",
    "optimizer.pt",
    "optimizer.bin",
    "scheduler.pt",
    "scheduler.bin",
    "scaler.pt",
    "rng_state.pth",
}


def suffixes() -> list[str]:
    """The endings of the names of all checkpoints that any registered format reads, sorted."""
    found: set[str] = set()
    for entry in _formats():
        found.update(entry.suffixes)
    return sorted(found)


def is_checkpoint(file: Path) -> bool:
    """Whether some format reads this file, as far as its name and its first bytes tell."""
    return _format(file) is not None


def format_of(file: Path) -> Any:
    """The checkpoint format that reads this file: its `contracts.CheckpointFormat`.

    Raises:
        UsageError: no format does.
    """
    entry = _format(file)
    if entry is None:
        raise UsageError(
            f"no checkpoint format reads '{file.name}': there is {', '.join(suffixes())}"
        )
    return entry


def files_of(file: Path) -> tuple[Path, ...]:
    """The checkpoint, and the files beside it without which it would be another model.

    They are a sharded model's shards, the weights that an ONNX graph keeps elsewhere, a hub's
    configuration.

    Raises:
        UsageError, ModelError, MachineError: what is said of them cannot be read.
    """
    entry = format_of(file)
    more = list(entry.files(file)) if hasattr(entry, "files") else []
    return (file, *more, *hub_files(file))


def hub_files(file: Path) -> list[Path]:
    """The configuration beside a hub's weights, as far as there is any."""
    if file.name not in HUB_WEIGHTS:
        return []
    return [file.parent / name for name in HUB_FILES if (file.parent / name).is_file()]


def weights_in(path: Path) -> Path:
    """The checkpoint of a hub's folder; any other path is itself."""
    if path.is_dir():
        for name in HUB_WEIGHTS:
            if (path / name).is_file():
                return path / name
    return path


def digest_of(file: Path) -> str:
    """The SHA-256 of a checkpoint, in hexadecimal: of its bytes, where it is one file.

    Of several files it is the digest of the lines that `sha256sum` writes of them in the order of
    their names, seen from the checkpoint's folder: in-toto's dirHash. Law: it changes with every
    byte and every name of each of them.

    Raises:
        OSError: a file cannot be read.
        UsageError: a file that belongs to it is not there.
    """
    own = _known_files(file)
    if len(own) == 1:
        return sha256(file)
    lines = {each.relative_to(file.parent).as_posix(): sha256(each) for each in own}
    whole = hashlib.sha256()
    for name, digest in sorted(lines.items(), key=lambda line: as_bytes(line[0])):
        whole.update(as_bytes(f"{digest}  {name}\n"))
    return whole.hexdigest()


def digest_if_there(file: Path) -> str | None:
    """As `digest_of`; None where the checkpoint, or a file that belongs to it, is not there."""
    with suppress(OSError, ShortcutAuditError):
        return digest_of(file)
    return None


def _known_files(file: Path) -> tuple[Path, ...]:
    """As `files_of`; a file that cannot say what belongs to it stands for itself."""
    try:
        return files_of(file)
    except ModelError:
        return (file, *hub_files(file))
    except UsageError:
        if is_checkpoint(file):
            raise
        return (file,)


def _format(file: Path) -> Any:
    """The format that recognises the file, or the one that takes all of its suffix; or None."""
    name, plain = file.name.lower(), None
    for entry in _formats():
        if not name.endswith(entry.suffixes):
            continue
        if not hasattr(entry, "recognises"):
            plain = entry
        elif entry.recognises(file):
            return entry
    return plain


def _formats() -> list[Any]:
    """Every registered format."""
    return [registry.lookup("checkpoint", name)() for name in registry.names("checkpoint")]
