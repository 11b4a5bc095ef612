"""`.pt`, `.pth`, `.bin`, `.ckpt`: state dicts that `torch.save` wrote.

They are read without running anything that is in them.
"""

from __future__ import annotations

import argparse
import pickletools
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar
from zipfile import BadZipFile, ZipFile, is_zipfile

from shortcut_audit.errors import ModelError, ShortcutAuditError, machine_fault
from shortcut_audit.files.whole import refuse_placeholder, replacing, unreadable
from shortcut_audit.registry import register

if TYPE_CHECKING:
    from torch import Tensor

# what a plain state dict asks for; a refused file is refused for what it asks for beyond this
EXPECTED = re.compile(
    r"torch\._utils\._rebuild_\w+"
    r"|torch\.(\w+Storage|\w+\d+|Size|device)"
    r"|collections\.OrderedDict|argparse\.Namespace"
    r"|(__builtin__|builtins)\.set|_codecs\.encode"
)
ZIP, PICKLE = b"PK\x03\x04", b"\x80"  # with which a file of torch.save begins
FOLDER = 0x10  # the mark of a folder in a zip archive
SHOWN = 4  # names that a refusal gives


@register("checkpoint")
@dataclass(frozen=True)
class StateDict:
    """Tensors by name, bare or under any key. It cannot describe itself: `rashomon.yaml` must."""

    suffixes: ClassVar[tuple[str, ...]] = (".pt", ".pth", ".bin", ".ckpt")

    def metadata(self, path: Path) -> dict[str, str]:
        """Nothing: to look inside would mean to unpickle."""
        return {}

    def words(self, path: Path) -> dict[str, Any]:
        """What the file says beside its tensors (classes, settings, accuracy): plain values only.

        Raises:
            UsageError, ModelError, MachineError: as `read`.
        """
        from shortcut_audit.subjects.loading.unwrapping import words_beside

        return words_beside(_content(path, _is_zip(path)))  # mapped, so that no tensor is read

    def read(self, path: Path) -> dict[str, Tensor]:
        """The tensors by name, on the CPU.

        Only torch's own `weights_only` unpickler is used. Beyond its list `argparse.Namespace` is
        let through, which timm and Lightning put beside their tensors: it is a bag of attributes
        whose construction runs nothing.

        Raises:
            UsageError: it cannot be opened, or holds several models or none.
            ModelError: the file is truncated, or asks for code; then it says for which.
            MachineError: the machine has no memory for it, or its disk failed.
        """
        from shortcut_audit.subjects.loading.unwrapping import one_model

        content = _content(path)
        try:
            return one_model(content, path.name)
        except ShortcutAuditError:
            raise
        except Exception as error:  # tensors without shape or values, as no state dict has them
            raise machine_fault(error) or ModelError(_refusal(path, error)) from None

    def write(self, path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        """Writes the file whole or not at all; the metadata has no place in it.

        Law: the same tensors give the same bytes.
        """
        import torch

        own = {name: tensor.detach().cpu().clone() for name, tensor in sorted(tensors.items())}
        with replacing(path) as unfinished, unfinished.open("wb") as file:
            # into an open file: given a path, torch writes the name of the unfinished file into it
            torch.save(own, file)


def _content(path: Path, mapped: bool = False) -> Any:
    """What the file holds, unpickled without running anything that is in it.

    Args:
        path: the file.
        mapped: the tensors' values are left in the file until somebody reads them.

    Raises:
        UsageError, ModelError, MachineError: as `StateDict.read`.
    """
    import torch

    try:
        _refuse_what_is_no_state_dict(path)
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            # of tensors of old kinds: no reason to call a file broken where warnings are errors
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except ShortcutAuditError:
        raise
    # a hostile pickle reaches into many corners: whatever breaks, it is this file's fault
    except Exception as error:
        raise unreadable(path, error) or ModelError(_refusal(path, error)) from None


def _is_zip(path: Path) -> bool:
    """Whether it is a zip archive that can be read; torch refuses a broken one."""
    try:
        return is_zipfile(path)
    except BadZipFile:
        return False


def _refuse_what_is_no_state_dict(path: Path) -> None:
    """Raises where it can be seen from outside that torch.save wrote no state dict here."""
    refuse_placeholder(path)
    if not _is_zip(path):
        return
    with ZipFile(path) as archive:
        inside = archive.infolist()
    if any(each.filename.endswith("/constants.pkl") for each in inside):
        raise ModelError(
            f"'{path.name}' is a TorchScript program, not a state dict; "
            "save model.state_dict() in its place"
        )
    if any(each.file_size > each.compress_size for each in inside):
        raise ModelError(
            f"'{path.name}' is compressed, as torch.save never does: "
            "it may grow beyond all memory; save it again"
        )
    # of what is marked as a folder torch reads nothing, and takes what happens to be in the memory
    if any(each.external_attr & FOLDER and each.file_size for each in inside):
        raise ModelError(
            f"'{path.name}' is damaged: a tensor in it is marked as a folder; copy it again, whole"
        )


def _refusal(path: Path, error: Exception) -> str:
    """Why a file is refused: the code that it asks for, or else the error that reading it gave."""
    asked = sorted(_globals(path), key=lambda name: (name.startswith("torch.nn."), name))
    if asked:
        more = f" and {len(asked) - SHOWN} more" if len(asked) > SHOWN else ""
        return (
            f"'{path.name}' is refused: it asks to run {', '.join(asked[:SHOWN])}{more}, "
            "which a state dict never needs; "
            "if it is a whole model of yours, save model.state_dict() in its place"
        )
    return f"'{path.name}' is not a whole state dict that torch.save wrote ({_seen(path, error)})"


def _seen(path: Path, error: Exception) -> str:
    """What is wrong with a file, by its first bytes, or else by the first sentence of the error."""
    with path.open("rb") as file:
        start = file.read(12)
    if not start.startswith((ZIP, PICKLE)):
        return f"it begins with {start!r}, as no such file does"
    if start.startswith(ZIP) and not _is_zip(path):
        return "its end is missing: copy it again, whole"
    said = " ".join(str(error).split())
    reason = re.split(r"[.] ", said)[0][:200].rstrip(".")
    return f"{type(error).__name__}: {reason}".removesuffix(": ")


def _globals(path: Path) -> set[str]:
    """What the pickles of a refused file would import beyond a state dict's own needs.

    Their opcodes are read, and none is run.
    """
    found: set[str] = set()
    with suppress(Exception):  # whatever is broken further on: we say what we saw
        for pickle in _pickles(path):
            for name in _imports(pickle):
                found.add(name)
    return {name for name in found if not EXPECTED.fullmatch(name)}


def _imports(pickle: IO[bytes]) -> Iterator[str]:
    """Every name that one pickle would import, as `module.name`."""
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickle):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif isinstance(argument, str):
            texts.append(argument)


def _pickles(path: Path) -> Iterator[IO[bytes]]:
    """The pickles of a zip archive, or those that follow one another in an older file."""
    if _is_zip(path):
        with ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".pkl"):
                    with archive.open(name) as file:
                        yield file
        return
    with path.open("rb") as file:
        while file.peek(1):
            yield file
