"""A Ray cluster of several nodes on this machine: what it leaves, and what it survives."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import planted
import pytest
from small_run import Small, entries, every_task

from shortcut_audit.errors import UsageError
from shortcut_audit.gathering.cluster import SETTINGS, check, joined, on_each
from shortcut_audit.gathering.engines.ray import Ray, remove
from shortcut_audit.gathering.gather import Gathered, gather
from shortcut_audit.gathering.site import Site, evidence_at

pytestmark = pytest.mark.slow
ray = pytest.importorskip("ray")
LITTLE = 80 << 20  # bytes of a node's object store


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Three nodes of one processor, and the one of this process, which has none for tasks."""
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, value in SETTINGS.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", str(Path(planted.__file__).parent), prepend=":")
        head = {"num_cpus": 0, "object_store_memory": LITTLE, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(3):
            made.add_node(num_cpus=1, object_store_memory=LITTLE, wait=False)
        made.wait_for_nodes()
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def connected(cluster: Any) -> Iterator[Any]:
    """One connection for several runs, as a user's own would be: a new one starts new processes."""
    with joined(cluster.address, 0) as module:
        yield module


def gathered(site: Site, cluster: Any) -> Gathered:
    """What comes of all tasks of a run, of explainer checks of one."""
    asked = every_task(site.evidence(), check=True)
    return gather(Ray(cluster.address), asked, site, lambda *_: None)


def left_over(site: Site) -> list[Path]:
    return [*Path(tempfile.gettempdir()).glob(f"shortcut-audit-{site.token}-*")]


def test_many_machines_leave_what_one_process_leaves(
    small: Small, directly: dict[str, dict[str, str]], cluster: Any, capfd: pytest.CaptureFixture
) -> None:
    site = small.site("store")
    evidence = evidence_at(site)
    every = list(Ray(cluster.address).run(every_task(evidence, check=True), site))
    assert {(done.trouble, done.refused, done.problems) for done in every} == {("", "", ())}
    assert entries(small.folder / "store") == directly
    # of a decoy without a class this process may ask for the answers first
    assert sum(done.computed for done in every) + evidence.computed == len(directly)
    assert set(small.asked().values()) == {1}
    assert not left_over(site)
    assert not ray.is_initialized()
    assert capfd.readouterr() == ("", "")  # Ray says nothing to users


@pytest.mark.usefixtures("connected")
def test_a_process_that_is_killed_is_tried_again(
    small: Small, directly: dict[str, dict[str, str]], cluster: Any
) -> None:
    site = small.site("store", more=f", dies: {small.folder}/died")
    found = gathered(site, cluster)
    assert found.whole
    assert (small.folder / "died").exists()
    assert entries(small.folder / "store") == directly
    assert sorted(small.asked().values())[-2:] == [1, 2]  # only the call that died was made twice
    assert gathered(site, cluster).computed == 0
    assert ray.is_initialized()  # it is not ours to end


def test_what_a_node_lacks_is_said_before_any_work(
    small: Small, cluster: Any, connected: Any
) -> None:
    with pytest.raises(UsageError) as raised:
        gathered(small.site("memory://each-has-its-own"), cluster)
    said = str(raised.value)
    assert said.startswith("node ")
    assert "does not see the store 'memory://each-has-its-own'" in said
    assert "--audit-store" in said
    assert len(on_each(connected, remove, "no run")) == 3  # all are asked, though of one host
    without = replace(small.site("store"), conftests=(small.folder / "nowhere.py",))
    with pytest.raises(UsageError, match="put code of your own on every node, under one path"):
        check(connected, without)
    on_a_gpu = replace(small.site("store"), device="cuda:1")
    with pytest.raises(UsageError, match="no machine of the Ray cluster has a GPU"):
        gathered(on_a_gpu, cluster)
    assert not small.asked()
    assert not [*(small.folder / "store").iterdir()]  # what was tried is removed


@pytest.mark.usefixtures("connected")
def test_a_node_that_dies_in_mid_run_costs_only_its_task(
    small: Small, directly: dict[str, dict[str, str]], cluster: Any
) -> None:
    """The last test: it costs the cluster a node."""
    own = cluster.head_node.all_processes["raylet"][0].process.pid
    site = small.site("store", more=f", dies: {small.folder}/died, spared: {own}")
    found = gathered(site, cluster)
    assert (small.folder / "died").exists()
    assert found.whole
    assert entries(small.folder / "store") == directly
    assert sorted(small.asked().values())[-2:] == [1, 2]
    for folder in left_over(site):  # of the node that died, which removes nothing any more
        shutil.rmtree(folder)
