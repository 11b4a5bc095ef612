"""Threads wait asleep unless the user says how they shall wait; shared-out work gives every result."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from shortcut_audit.processors import shared_out, wait_asleep


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        ({}, "PASSIVE"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"),
        ({"GOMP_SPINCOUNT": "1000"}, None),
    ],
    ids=["nothing", "a policy", "a count"],
)
def test_the_users_word_counts(
    monkeypatch: pytest.MonkeyPatch, said: dict[str, str], policy: str | None
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    wait_asleep()
    assert os.environ.get("OMP_WAIT_POLICY") == policy


def test_it_is_said_before_torch_is_loaded() -> None:
    """OpenMP reads it when torch loads it; whoever imports the plugin or the commands must not have
    loaded torch by then.
    """
    code = "import sys, shortcut_audit.plugin, shortcut_audit.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_item_has_its_result_from_a_process_of_one_thread() -> None:
    assert sorted(shared_out(_with_threads, [3, 1, 2], 2)) == [(1, 1), (2, 1), (3, 1)]


def test_one_process_is_this_one() -> None:
    assert list(shared_out(_process, [1, 2], 1)) == [(1, os.getpid()), (2, os.getpid())]


def _with_threads(item: int) -> tuple[int, int]:
    return item, torch.get_num_threads()


def _process(item: int) -> tuple[int, int]:
    return item, os.getpid()
