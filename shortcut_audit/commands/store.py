"""`shortcut-audit store`: what evidence is kept, whether it is whole, and room for more."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shortcut_audit.files.storage.contract import Held, Storage

SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
BYTES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS = ("B", "kB", "MB", "GB", "TB")


def add(commands: Any) -> None:
    """Adds the command."""
    store = commands.add_parser("store", help="list, check or clear the evidence that is kept")
    what = store.add_subparsers(required=True, metavar="ls|verify|gc")
    for name, function, about in (
        ("ls", _ls, "list its kinds, with how many entries there are and how large and old"),
        ("verify", _verify, "read every entry; exit 1 where one is damaged"),
        ("gc", _gc, "remove what was used longest ago, and what killed writers have left"),
    ):
        each = what.add_parser(name, help=about, description=about)
        each.add_argument(
            "where", metavar="WHERE", help="reports/evidence, or an address: s3://bucket/prefix"
        )
        each.set_defaults(command=_command, act=function)
    _add_limits(what.choices["gc"])


def _add_limits(gc: argparse.ArgumentParser) -> None:
    gc.add_argument(
        "--older-than",
        type=_seconds,
        metavar="AGE",
        help="remove what was last used (object storage: written) longer ago, such as 30d or 12h",
    )
    gc.add_argument(
        "--keep-bytes",
        type=_bytes,
        metavar="SIZE",
        help="remove until this much is left, such as 20G",
    )
    gc.add_argument("--dry-run", action="store_true", help="only say what would go")


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no age: give 30d, 12h, 45m or 2w")
    return float(found[1]) * SECONDS[found[2]]


def _bytes(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMGT]?)B?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: give 20G, 500M or 100k")
    return float(found[1]) * BYTES[found[2]]


def _command(asked: argparse.Namespace) -> int:
    """Does what was asked with the storage.

    Raises:
        UsageError, MachineError: as `_storage`; or it fails later.
    """
    from shortcut_audit.errors import MachineError

    try:
        code: int = asked.act(asked, _storage(asked.where))
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MachineError(
            f"'{asked.where}' failed ({error.strerror or error}): see that it can be reached, and "
            "that you may read and write there; the same command goes on from there"
        ) from None
    return code


def _ls(asked: argparse.Namespace, storage: Storage) -> int:
    from shortcut_audit.files.upkeep import entries_of, kinds

    entries = entries_of(storage.listed())
    for kind in kinds(entries):
        span = f"{_date(kind.oldest)} to {_date(kind.newest)}"
        print(f"{kind.name:<20} {kind.entries:>8} {_size(kind.size):>10}   {span}")
    print(f"{_sum(entries)} in '{asked.where}'")
    return 0


def _verify(asked: argparse.Namespace, storage: Storage) -> int:
    from shortcut_audit.files.upkeep import damaged, entries_of

    entries, bad = entries_of(storage.listed()), 0
    for name, problem in damaged(storage, entries):
        print(f"{name} {problem}")
        bad += 1
    if not bad:
        print(f"{_sum(entries)} in '{asked.where}': nothing is damaged")
        return 0
    print(
        f"{bad} of {_sum(entries)} in '{asked.where}': damaged. An audit that needs one computes "
        "it again, and nothing has to be done; where it happens again, look at the disk, and at "
        "who may write there"
    )
    return 1


def _gc(asked: argparse.Namespace, storage: Storage) -> int:
    import time

    from shortcut_audit.files.upkeep import entries_of, removable, strays

    listed, now = list(storage.listed()), time.time()
    entries, left_over = entries_of(listed), strays(listed, now)
    going = removable(entries, now, asked.older_than, asked.keep_bytes)
    if not asked.dry_run:
        storage.remove([held.name for held in (*going, *left_over)])
    verb = "would be removed" if asked.dry_run else "removed"
    stays = sorted(set(entries) - set(going))
    print(f"{verb}: {_sum(going)}, and {len(left_over)} files that writers left")
    print(f"{_sum(stays)} in '{asked.where}'")
    return 0


def _storage(where: str) -> Storage:
    """The storage at an address, or in a folder that is there.

    Raises:
        UsageError, MachineError: as `store_at`; or there is no such folder.
    """
    from shortcut_audit.errors import UsageError
    from shortcut_audit.files.store import store_at

    storage = store_at(where).storage
    if storage.locks and not storage.has(""):
        raise UsageError(
            f"there is no folder '{where}': name the one that evidence is kept in, such as "
            "reports/evidence, or an address, such as s3://bucket/prefix"
        )
    return storage


def _sum(entries: list[Held]) -> str:
    """`3 entries, 1.5 MB`."""
    count = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
    return f"{count}, {_size(sum(held.size for held in entries))}"


def _size(size: float) -> str:
    """`1.5 MB`, in powers of a thousand."""
    power = min(len(f"{size:.0f}") - 1, 14) // 3
    return f"{size / 1000**power:.{min(power, 1)}f} {UNITS[power]}"


def _date(seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
