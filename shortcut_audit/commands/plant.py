"""`shortcut-audit plant`: the pictures for a model that may not leave its server."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from shortcut_audit.commands.options import add_data
from shortcut_audit.inputs_and_outputs import InputSize


def add(commands: Any) -> None:
    """Adds the command."""
    plant = commands.add_parser(
        "plant", help="write the decoyed and control pictures, for a model to answer elsewhere"
    )
    plant.add_argument("--scenario", type=Path, required=True, metavar="FILE")
    plant.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="an empty folder, or a new one"
    )
    plant.add_argument(
        "--size",
        type=_size,
        nargs="+",
        default=[224],
        metavar="SIZE",
        help="of the pictures as the models take them, such as 224, 224,resize=256,bicubic or "
        "320x240,squash (default: 224)",
    )
    plant.add_argument(
        "--labels",
        action="store_true",
        help="say in the list what is right; a model's owner need not know",
    )
    add_data(plant)
    plant.set_defaults(command=_plant)


def _size(text: str) -> int:
    """A size that a model's manifest may give as well."""
    try:
        size = InputSize.parse(text)
        if size.resize < int(size):
            raise ValueError(f"'{text}' is no input size")
    except ValueError as error:
        advice = "write 224, or 224,resize=256,bicubic"
        raise argparse.ArgumentTypeError(f"{error}: {advice}") from None
    return int(size) if size.plain else size


def _plant(asked: argparse.Namespace) -> int:
    from shortcut_audit.planting.folder import plant
    from shortcut_audit.scenario import load_scenario

    scenario = load_scenario(asked.scenario, asked.data)
    for line in plant(scenario, asked.size, asked.out, asked.labels):
        print(line, flush=True)
    return 0
