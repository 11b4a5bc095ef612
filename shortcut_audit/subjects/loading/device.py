"""`auto`, `cpu`, `cuda:1` -> a device that works here, or one sentence."""

from __future__ import annotations

import torch

from shortcut_audit.errors import UsageError


def chosen_device(asked: str) -> torch.device:
    """The device of this name; `auto` is a CUDA GPU where there is one, else the CPU.

    Raises:
        UsageError: there is no such device here, or it does not work.
    """
    if asked == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0]  # torch goes on about its backends
        raise UsageError(
            f"the device '{asked}' cannot be used here: {reason}; take 'auto'"
        ) from None
    return device
