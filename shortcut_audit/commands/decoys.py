"""`shortcut-audit decoys`: what there is to put on pictures, and how it looks on the user's own."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from shortcut_audit.errors import UsageError


def add(commands: Any) -> None:
    """Adds the command."""
    decoys = commands.add_parser(
        "decoys", help="list every decoy with its options, or show them on pictures of yours"
    )
    decoys.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="put the decoys on pictures of this folder"
    )
    decoys.add_argument(
        "--scenario",
        type=Path,
        metavar="FILE",
        help="only its decoys, as it has them (default: every decoy as it comes)",
    )
    decoys.add_argument(
        "--size",
        type=int,
        default=224,
        metavar="PIXELS",
        help="side of the pictures, best as your models take them (default: 224)",
    )
    decoys.add_argument(
        "--out", type=Path, metavar="FILE", help="the sheet, a PNG (default: decoys.png)"
    )
    decoys.set_defaults(command=_decoys)


def _decoys(asked: argparse.Namespace) -> int:
    if asked.pictures is None:
        if asked.out is not None or asked.scenario is not None:
            raise UsageError("the sheet needs pictures to put decoys on: add --pictures FOLDER")
        from shortcut_audit.starting.decoy_list import listed

        print("\n".join(listed()))
        return 0
    from shortcut_audit.starting.contact_sheet import write_sheet

    out = asked.out or Path("decoys.png")
    for line in write_sheet(asked.pictures, asked.scenario, asked.size, out):
        print(line)
    return 0
