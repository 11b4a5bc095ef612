"""A Ray cluster, joined for as long as a run lasts, whose nodes see what they need to see."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from shortcut_audit.errors import ShortcutAuditError, UsageError
from shortcut_audit.files.sources import our_code
from shortcut_audit.files.store import Store
from shortcut_audit.gathering.site import Site

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody outside hears of a run
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # nodes install nothing
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns of its own future
    "RAY_task_oom_retries": "3",  # of a task that is killed for memory; else it is for ever
}
SERVER = re.compile(r"(?:ray://)?\[?([^/\]]+)\]?:(\d{1,5})")
REACHED = 10.0  # seconds in which a cluster's address must answer
ANSWER = 180.0  # seconds in which a node's first process must have started


@contextmanager
def joined(address: str, processes: int) -> Iterator[Any]:
    """Gives the module `ray`, connected; one that the caller has connected is left as it is.

    Args:
        address: of a cluster; "" is RAY_ADDRESS, and without that a cluster of this machine alone.
        processes: how many that cluster may have; 0: as many as cores.

    Raises:
        UsageError: the package is not installed, or no cluster answers there.
    """
    with _settings(), _handlers():
        ray = _imported()
        if ray.is_initialized():
            yield ray
            return
        with _unwarned():
            _connect(ray, address or os.environ.get("RAY_ADDRESS", ""), processes)
        try:
            yield ray
        finally:
            with _unwarned():
                ray.shutdown()


def _imported() -> Any:
    try:
        with _unwarned():
            import ray
    except ImportError:
        raise UsageError(
            "the engine 'ray' needs a package that is not installed: "
            "pip install 'shortcut-audit[ray]'"
        ) from None
    return ray


def _connect(ray: Any, address: str, processes: int) -> None:
    own = {"num_cpus": processes or os.cpu_count(), "include_dashboard": False}
    try:
        if server := SERVER.fullmatch(address):  # else Ray would ask there for some minutes
            socket.create_connection((server[1], int(server[2])), REACHED).close()
        ray.init(
            address or "local",
            logging_level=logging.CRITICAL,
            log_to_driver=False,
            **({} if address else own),
        )
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        said = " ".join(str(error).split())[:200]
        if not address:
            raise UsageError(f"Ray does not start on this machine ({said})") from None
        raise UsageError(
            f"no Ray cluster can be joined at '{address}' ({said}): start one with "
            "`ray start --head`, correct RAY_ADDRESS, or unset it to use this machine alone"
        ) from None


@contextmanager
def _unwarned() -> Iterator[None]:
    """Keeps Ray's warnings about itself from the user, who may have made errors of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _settings() -> Iterator[None]:
    """Ray's settings are variables of the environment; the user's own count."""
    ours = {name: value for name, value in SETTINGS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)


@contextmanager
def _handlers() -> Iterator[None]:
    """Gives back what SIGTERM does, which Ray changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def workers_of(ray: Any) -> list[Mapping[str, Any]]:
    """The nodes that are alive and have processors for tasks."""
    return [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]


def on_each(ray: Any, function: Any, *given: Any) -> list[tuple[str, Any]]:
    """Has each node do something at once: names of the nodes, and references to what they give."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    found = []
    for node in workers_of(ray):
        there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(function)
        name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        found.append((name, task.remote(*given)))
    return found


def check(ray: Any, site: Site) -> None:
    """Sees that every node has our code and the run's files, and reads and writes its store.

    Raises:
        UsageError: one does not, or there is none; names the node and what to do.
    """
    name, storage = f"probe-{site.token}", site.store.storage
    with suppress(OSError):  # where nothing can be written, nothing will be seen
        storage.write(name, b"")
    try:
        asked = on_each(ray, seen, site, name)
        if not asked:
            raise UsageError("no node of the Ray cluster has a processor: add one, or give it one")
        for node, reference in asked:
            if said := _answer(ray, reference):
                raise UsageError(f"node {node} cannot work for this run: {said}")
    finally:
        with suppress(OSError):
            storage.remove([name])


def _answer(ray: Any, reference: Any) -> str:
    try:
        said, code = ray.get(reference, timeout=ANSWER)
    except ray.exceptions.RayError as error:
        last = str(error).strip().splitlines()[-1]
        return f"{last[:200]}; see that the same shortcut-audit is installed there"
    if said or code == our_code():
        return str(said)
    return "it has another version of shortcut-audit: install the same everywhere"


def seen(site: Site, name: str) -> tuple[str, str]:
    """What this machine lacks for the run, in words, and the digest of its shortcut-audit.

    name: of what was put into the store elsewhere.
    """
    return _lacking(site.store, name) or _not_here(site), our_code()


def _lacking(store: Store, name: str) -> str:
    advice = (
        "name a place that all machines read and write, a shared folder or s3://bucket/prefix, "
        "with --audit-store in pytest, --store elsewhere"
    )
    own = f"{name}-{socket.gethostname()}-{os.getpid()}"
    try:
        store.storage.check()
        if not store.storage.has(name):
            return f"it does not see the store '{store.where}': {advice}"
        store.storage.write(own, b"")
        store.storage.remove([own])
    except ShortcutAuditError as error:
        return str(error)
    except OSError as error:
        return f"it cannot write to the store '{store.where}' ({error}): {advice}"
    return ""


def _not_here(site: Site) -> str:
    for file in site.conftests:
        if not file.is_file():
            return f"'{file}' is not there: put code of your own on every node, under one path"
    return ""
