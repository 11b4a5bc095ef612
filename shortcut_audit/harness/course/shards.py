"""Which part of a run's tests a machine takes: `--audit-shard 2/8`, or as Slurm numbers its tasks.

All tests of a model are in one shard, so that a shard loads its own models and those that they are
compared with, and no others.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.errors import UsageError

SLURM = "slurm"
FOLDER = "shards"  # of a run's reports
MOST = 100_000  # shards; Slurm's own arrays are smaller
OPTION = "--audit-shard"


@dataclass(frozen=True)
class Shard:
    """The part `number`, from 1, of so many."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def folder(self, reports: Path) -> Path:
        """Where this shard of a run writes."""
        return reports / FOLDER / f"{self.number}-of-{self.of}"


def read_shard(text: str, environment: Mapping[str, str] = os.environ) -> Shard:
    """`2/8`, or `slurm`: as Slurm numbers the tasks of an array, or else those of `srun`.

    Raises:
        UsageError: it is neither, or Slurm says nothing that can be taken for a part of a run.
    """
    if text.strip().lower() == SLURM:
        return _of_slurm(environment)
    numbers = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*", text)
    if numbers is None:
        raise UsageError(
            f"{OPTION} cannot be '{text}': write 2/8 for the second of eight parts, or {SLURM}"
        )
    return _within(Shard(int(numbers[1]), int(numbers[2])), f"{OPTION} {text}")


def _within(shard: Shard, asked: str) -> Shard:
    if not 1 <= shard.of <= MOST:
        raise UsageError(f"{asked}: a run has 1 to {MOST} shards, and not {shard.of}")
    if not 1 <= shard.number <= shard.of:
        raise UsageError(
            f"{asked}: there is no shard {shard.number} of {shard.of}, "
            f"they are numbered from 1 to {shard.of}"
        )
    return shard


def _of_slurm(environment: Mapping[str, str]) -> Shard:
    if "SLURM_ARRAY_TASK_ID" in environment:
        return _of_array(environment)
    if {"SLURM_PROCID", "SLURM_NTASKS"} <= environment.keys():
        number, of = (_number(environment, f"SLURM_{name}") for name in ("PROCID", "NTASKS"))
        return _within(Shard(number + 1, of), f"{OPTION} {SLURM}")
    raise UsageError(
        f"{OPTION} {SLURM}: this is no task of a Slurm array (SLURM_ARRAY_TASK_ID is not set) "
        f"and none of srun (SLURM_PROCID, SLURM_NTASKS): "
        f"write the part yourself, as in {OPTION} 2/8"
    )


def _of_array(environment: Mapping[str, str]) -> Shard:
    """The part of a task of an array, which is numbered without gaps."""
    task, first, count = (
        _number(environment, f"SLURM_ARRAY_TASK_{name}") for name in ("ID", "MIN", "COUNT")
    )
    last = _number(environment, "SLURM_ARRAY_TASK_MAX", first + count - 1)
    if last - first + 1 != count or not first <= task <= last:
        raise UsageError(
            f"{OPTION} {SLURM}: the array's {count} tasks from {first} to {last} have gaps: "
            f"number them without any, as in `sbatch --array=1-{count}`"
        )
    if _number(environment, "SLURM_STEP_NUM_TASKS", 1) > 1:
        raise UsageError(
            f"{OPTION} {SLURM}: each task of the array starts several tasks of srun, which would "
            f"all be one shard: start one (srun --ntasks=1), or write the part yourself"
        )
    return _within(Shard(task - first + 1, count), f"{OPTION} {SLURM}")


def _number(environment: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    said = environment.get(name, "" if otherwise is None else str(otherwise))
    if not re.fullmatch("[0-9]+", said):
        raise UsageError(
            f"{OPTION} {SLURM}: {name} is '{said}', which is no number: "
            f"write the part yourself, as in {OPTION} 2/8"
        )
    return int(said)


def partition(models: Iterable[str], of: int) -> dict[str, int]:
    """model -> the number of its shard; `models` has the model of each test.

    The model with most tests comes first, into the shard that has fewest.
    Laws: each model is in one shard; the order of the tests changes nothing; no two shards differ
        by more tests than one model has.
    """
    loads = [0] * of
    found = {}
    for model, tests in sorted(Counter(models).items(), key=lambda each: (-each[1], each[0])):
        least = loads.index(min(loads))
        loads[least] += tests
        found[model] = least + 1
    return found
