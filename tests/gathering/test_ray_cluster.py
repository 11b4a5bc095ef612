"""A Ray cluster of several nodes on this machine: what it leaves, and what it survives."""

from __future__ import annotations

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
from shortcut_audit.gathering.cluster import SETTINGS, check, joined
from shortcut_audit.gathering.engines.ray import Ray
from shortcut_audit.gathering.gather import Gathered, gather
from shortcut_audit.gathering.site import Site

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


def gathered(site: Site, cluster: Any) -> Gathered:
    """What comes of all tasks of a run, of explainer checks of one."""
    asked = every_task(site.evidence(), check=True)
    return gather(Ray(cluster.address), asked, site, lambda *_: None)


def left_over() -> list[Path]:
    return [*Path(tempfile.gettempdir()).glob("shortcut-audit-????????????????????????????????-*")]


def test_many_machines_leave_what_one_process_leaves(
    small: Small, directly: dict[str, dict[str, str]], cluster: Any, capfd: pytest.CaptureFixture
) -> None:
    found = gathered(small.site("store"), cluster)
    assert found.whole
    assert not found.refused
    assert entries(small.folder / "store") == directly
    assert set(small.asked().values()) == {1}
    assert gathered(small.site("store"), cluster).computed == 0
    assert not left_over()
    assert not ray.is_initialized()
    assert capfd.readouterr() == ("", "")  # Ray says nothing to users


def test_a_process_that_is_killed_is_tried_again(
    small: Small, directly: dict[str, dict[str, str]], cluster: Any
) -> None:
    site = small.site("store", more=f", dies: {small.folder}/died")
    found = gathered(site, cluster)
    assert found.whole
    assert (small.folder / "died").exists()
    assert entries(small.folder / "store") == directly
    assert sorted(small.asked().values())[-2:] == [1, 2]  # only the call that died was made twice


def test_a_store_that_a_node_does_not_see_is_said_before_any_work(
    small: Small, cluster: Any
) -> None:
    with pytest.raises(UsageError) as raised:
        gathered(small.site("memory://each-has-its-own"), cluster)
    said = str(raised.value)
    assert said.startswith("node ")
    assert "does not see the store 'memory://each-has-its-own'" in said
    assert "--audit-store" in said
    assert not small.asked()


def test_code_that_a_node_does_not_have_is_said(small: Small, cluster: Any) -> None:
    site = replace(small.site("store"), conftests=(small.folder / "nowhere.py",))
    with (
        joined(cluster.address, 0) as connected,
        pytest.raises(UsageError, match="put code of your own on every node, under one path"),
    ):
        check(connected, site)


def test_a_gpu_that_no_node_has_is_said(small: Small, cluster: Any) -> None:
    site = small.site("store")
    with pytest.raises(UsageError, match="no machine of the Ray cluster has a GPU"):
        gather(
            Ray(cluster.address),
            every_task(site.evidence()),
            replace(site, device="cuda"),
            lambda *_: None,
        )


def test_no_cluster_at_an_address_is_one_sentence(small: Small) -> None:
    site = small.site("store")
    with pytest.raises(UsageError, match=r"no Ray cluster can be joined at '127\.0\.0\.1:1'"):
        gather(Ray("127.0.0.1:1"), every_task(site.evidence()), site, lambda *_: None)


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
