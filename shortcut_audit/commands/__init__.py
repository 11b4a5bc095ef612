"""What `shortcut-audit` can be asked to do: one module a command, which only delegates.

A command's module has `add(commands) -> None`, which adds the command's parser and sets its
function, `command(asked) -> int`, as the default of `command`. What is heavy is imported in that
function, so that `shortcut-audit --help` is quick.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

ORDER = (  # in which `--help` lists them: as a newcomer needs them
    "init",
    "decoys",
    "audits",
    "discover",
    "plant",
    "collect",
    "merge",
    "gate",
    "report",
    "attest",
    "train",
    "study",
    "calibrate",
    "store",
)


def add_commands(commands: Any) -> None:
    """Adds every command of this room, those that ORDER does not name behind the others."""
    found = {module.name for module in pkgutil.iter_modules(__path__)}
    named = [name for name in ORDER if name in found]
    for name in (*named, *sorted(found - set(ORDER))):
        module = import_module(f"{__name__}.{name}")
        if hasattr(module, "add"):  # else it is what commands share
            module.add(commands)
