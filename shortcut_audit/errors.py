"""Every error that a user can meet: what was asked, what was found, what to do next."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable
from difflib import get_close_matches

OUT_OF_MEMORY = re.compile(
    r"out of memory|(can't|cannot|could not|unable to|failed to) (re)?allocate|"
    r"not enough memory|bad_alloc|alloc_failed|os error 12\b",
    re.IGNORECASE,
)
# after an assertion on the device each later call of the process fails, whichever model it asks
OF_THE_ACCELERATOR = re.compile(r"(CUDA|HIP|cuDNN) error\b|CUBLAS_STATUS_|CUDNN_STATUS_")
OF_THE_DISK = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.ESTALE,
    errno.EROFS,
    errno.EMFILE,
    errno.ENFILE,
    errno.ETIMEDOUT,
}


class ShortcutAuditError(Exception):
    """One clear sentence for a person; shown without a traceback."""


class UsageError(ShortcutAuditError):
    """The command line, the scenario or the manifest asks for something that cannot be.

    No model is at fault.
    """


class ModelError(ShortcutAuditError):
    """One checkpoint cannot be audited: corrupt, hostile, of a wrong shape or not finite.

    No other model is affected.
    """


class MachineError(ShortcutAuditError):
    """The machine failed: its memory, its disk, or an import.

    No model is at fault, and nothing was audited.
    """


class DataError(ShortcutAuditError):
    """A folder or file of the data set cannot be used."""


def did_you_mean(asked: str, known: Iterable[str]) -> str:
    """The half sentence after a typo: `; did you mean 'stop_sign'?`, or else the known names."""
    known = sorted(known)
    close = get_close_matches(asked, known, n=1)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; there is {', '.join(known)}" if known else "; there is none"


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, the accelerator's or the processor's: less at a time may fit."""
    return isinstance(error, MemoryError) or bool(OUT_OF_MEMORY.search(str(error)))


def advice_on_room(error: Exception) -> str:
    """`make room, or ` before other advice on what was not written; "" where room would not help.

    An error without a number, as libraries raise them, may be of a full disk.
    """
    full = (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return "make room, or " if getattr(error, "errno", None) in full else ""


def machine_fault(error: BaseException | None) -> MachineError | None:
    """The sentence for an exception that is the machine's fault; None where it is not.

    Law: only errors of memory, disk, accelerator and imports are the machine's.
    """
    if error is None or isinstance(error, MachineError):
        return error
    said = " ".join(str(error).split())[:200]
    if out_of_memory(error):
        return MachineError(
            f"this machine has too little memory ({said or type(error).__name__}): "
            "free some, or take a larger one"
        )
    if isinstance(error, OSError) and error.errno in OF_THE_DISK:
        return MachineError(
            f"this machine's disk or file share failed ({said}): "
            "the same command goes on once it works"
        )
    if OF_THE_ACCELERATOR.search(said):
        return MachineError(
            f"this machine's accelerator failed ({said}): run it again; "
            "where it fails each time, --audit-device cpu tells whether the model is at fault"
        )
    if isinstance(error, ImportError):
        return MachineError(
            f"an import failed on this machine ({said}): see that the package is installed whole"
        )
    return None
