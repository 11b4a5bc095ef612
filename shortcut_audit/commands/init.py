"""`shortcut-audit init`: from a folder of checkpoints and one of pictures to a first audit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Adds the command."""
    init = commands.add_parser(
        "init", help="write what a first audit needs beside your checkpoints and pictures"
    )
    init.add_argument(
        "folder",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="DIR",
        help="where the files go, and where it looks (default: here)",
    )
    init.add_argument(
        "--models",
        type=Path,
        metavar="FOLDER",
        help="the checkpoints (default: looked for in DIR)",
    )
    init.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="with class folders, or with train/ and val/ (default: looked for in DIR)",
    )
    init.add_argument(
        "--ci",
        choices=("github", "gitlab", "none"),
        help="whose job to write (default: as the repository has it, else github)",
    )
    init.set_defaults(command=_init)


def _init(asked: argparse.Namespace) -> int:
    from shortcut_audit.starting.files import start

    for line in start(asked.folder, asked.models, asked.pictures, asked.ci):
        print(line)
    return 0
