"""Files that appear whole or not at all; a file's SHA-256 and name; the files below a folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError, machine_fault

OF_SYSTEMS = {  # folders that a system makes by itself, for thumbnails and waste
    "__MACOSX",
    "@eaDir",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
}


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside `path` to write to, which takes `path`'s place at the end.

    It is gone if something was raised.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # machines that share a folder may have processes of one number
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The digest of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_placeholder(path: Path) -> None:
    """Raises an error where the file is no checkpoint but only the place for one.

    Raises:
        ModelError: it is empty.
        UsageError: it is only Git LFS's note of where the file would be.
    """
    with path.open("rb") as file:
        start = file.read(100)
    if not start:
        raise ModelError(f"'{path.name}' is empty")
    if start.startswith(b"version ") and b"git-lfs" in start:
        raise UsageError(
            f"'{path.name}' is only a Git LFS pointer; fetch the file itself with: git lfs pull"
        )


def unreadable(path: Path, error: Exception) -> ShortcutAuditError | None:
    """The sentence for a file that was not read because of the machine or the folder.

    None where its bytes are at fault.
    """
    fault = machine_fault(error)
    # an OSError with a file's name: the file was not even opened
    if fault is None and isinstance(error, OSError) and error.filename is not None:
        return UsageError(f"'{path.name}' cannot be read: {error.strerror or error}")
    return fault


@contextmanager
def read_as_whole(path: Path, otherwise: str) -> Iterator[None]:
    """Reads a file inside it; whatever breaks there is one sentence, charged to its owner.

    otherwise: what the file is if its bytes are at fault, such as "not a whole ONNX graph".

    Raises:
        UsageError, MachineError: the folder or the machine does not give the file.
        ModelError: its bytes are at fault.
    """
    try:
        refuse_placeholder(path)
        yield
    except ShortcutAuditError:
        raise
    except Exception as error:  # a hostile archive reaches into many corners
        said = " ".join(str(error).split())[:200]
        found = ModelError(f"'{path.name}' is {otherwise}: {said}")
        raise unreadable(path, error) or found from None


def canonical(name: str) -> str:
    """A name in Unicode's composed form (NFC).

    A Mac stores an accent apart from its letter, and it is the same name.
    """
    return unicodedata.normalize("NFC", name)


def as_bytes(name: str) -> bytes:
    """A name to be hashed, UTF-8 where it is text.

    Law: two names that differ, in broken bytes even, differ here.
    """
    return name.encode("utf-8", "surrogatepass")


def printable(name: object) -> str:
    """A name as it can be shown and written anywhere.

    A byte that is no UTF-8 is written as `\\udce9`.
    """
    return str(name).encode("utf-8", "backslashreplace").decode()


def hidden(name: str) -> bool:
    """Whether a file or folder of this name is to be left out.

    The name begins with a dot, or a system made it by itself.
    """
    return name.startswith(".") or name in OF_SYSTEMS


def below(folder: Path) -> Iterator[Path]:
    """Every file below a folder that is not `hidden` and lies in no hidden folder, in any order.

    Links to folders are followed, as torchvision does, but no folder is entered twice: a link back,
    or to a folder that is below this one anyway, adds nothing. A link to nowhere is among the
    files, so that whoever opens it can say so.

    Raises:
        OSError: a folder cannot be read.
    """
    entered: set[tuple[int, int]] = set()
    waiting = [os.fspath(folder)]
    linked: list[str] = []
    while waiting or linked:
        here = waiting.pop() if waiting else linked.pop(linked.index(min(linked)))
        stat = os.stat(here)
        if (stat.st_dev, stat.st_ino) in entered:
            continue
        entered.add((stat.st_dev, stat.st_ino))
        with os.scandir(here) as entries:
            found = [each for each in entries if not hidden(each.name)]
        for each in found:
            if each.is_dir(follow_symlinks=False):
                waiting.append(each.path)
            elif each.is_symlink() and os.path.isdir(each.path):
                linked.append(each.path)
            elif each.is_file(follow_symlinks=False) or each.is_symlink():
                yield Path(each.path)
