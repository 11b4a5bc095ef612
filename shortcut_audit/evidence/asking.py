"""A network and pixels -> answers, in batches that fit; where there is none, whose fault it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from shortcut_audit.errors import (
    MachineError,
    ModelError,
    ShortcutAuditError,
    UsageError,
    machine_fault,
)
from shortcut_audit.evidence.masks.attribution import Report, in_batches
from shortcut_audit.subjects.loading.misfits import short

BATCH = 256  # images a forward pass
Forward = Callable[[Tensor], Tensor]


def answers_of(model: str, forward: Forward, pixels: Tensor, report: Report) -> Tensor:
    """What `forward` gives for pixels (n, 3, h, w), n at least 1: its rows, joined.

    Law: where memory runs out fewer are asked at a time, which changes nothing but rounding.

    Raises:
        ModelError: it fails on some of them; says on how many.
        MachineError: not even one fits, or the machine failed otherwise.
    """
    try:
        return torch.cat(in_batches(forward, (pixels,), BATCH, report))
    except ShortcutAuditError:
        raise
    except (Exception, SystemExit) as error:  # a user's own forward may raise anything
        if fault := machine_fault(error):
            raise MachineError(f"{model}: {fault}") from None
        what, bad = short(error), _failing(forward, pixels)
    on = f"{bad} of {len(pixels)} images" if bad else "some images at once, and on none alone"
    raise ModelError(f"{model}: it fails on {on} ({what}); mend it or drop it")


def _failing(forward: Forward, pixels: Tensor) -> int:
    """On how many of the images it fails, each of them asked alone where a batch fails."""
    try:
        forward(pixels)
    except (Exception, SystemExit):
        if len(pixels) == 1:
            return 1
        return sum(_failing(forward, half) for half in pixels.tensor_split(2))
    return 0


@contextmanager
def asking(model: str, network: Callable[[], nn.Module]) -> Iterator[None]:
    """Turns what fails in a network's own forward, while a method asks it, into one sentence.

    It is no fault of the weights: a method asks what no picture asks, and hooks into the layers.

    Args:
        model: its name.
        network: gives the network; called only where something failed.

    Raises:
        UsageError: so it was. MachineError: as `answers_of`.
    """
    try:
        yield
    except ShortcutAuditError:
        raise
    except Exception as error:
        if fault := machine_fault(error):
            raise MachineError(f"{model}: {fault}") from None
        if not _came_from(network(), error):
            raise
        raise UsageError(
            f"{model}: it answers pictures and fails where a method asks it ({short(error)}): "
            "name another explainer (masks) or method (influence) in the scenario"
        ) from None


def _came_from(network: nn.Module, error: Exception) -> bool:
    """Whether an error came out of the forward of a network of this class."""
    code, trace = getattr(type(network).forward, "__code__", None), error.__traceback__
    while trace is not None and trace.tb_frame.f_code is not code:
        trace = trace.tb_next
    return trace is not None


def not_finite(values: np.ndarray) -> str:
    """`3 of 60 images`, where so many of the n rows hold what is no number; "" where none does."""
    fine = np.isfinite(values).all(tuple(range(1, values.ndim)))  # (n,)
    bad = int((~fine).sum())
    return f"{bad} of {len(values)} images" if bad else ""
