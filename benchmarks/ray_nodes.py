"""The same tasks on Ray clusters of 1, 2 and 4 nodes of one processor each, all on this machine.

Prints one line of JSON: for each cluster the seconds from connecting to the last task (starting the
cluster itself is left out), tasks, and the bytes that were placed for them. A node fetches each of
these at most once, so that `placed` times the nodes other than the head is the most that can move.
Where the machine has fewer cores than a cluster has nodes, these share them.

    python benchmarks/ray_nodes.py --models DIR --scenario FILE [--only decides]
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from shortcut_audit.files.store import Store
from shortcut_audit.gathering.cluster import SETTINGS
from shortcut_audit.gathering.engines.local import Local
from shortcut_audit.gathering.engines.ray import Ray
from shortcut_audit.gathering.gather import gather
from shortcut_audit.gathering.placing import Placing
from shortcut_audit.gathering.site import Site, evidence_at
from shortcut_audit.gathering.tasks import DECIDE, KINDS, Task, every_unit, tasks
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--scenario", type=Path, required=True)
    parser.add_argument("--only", choices=("decides",))
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    asked = parser.parse_args()
    os.environ.update(SETTINGS)
    warnings.simplefilter("ignore")
    found = {"cores": os.cpu_count(), "nodes": {}}
    with tempfile.TemporaryDirectory() as folder:
        for count in (0, *asked.nodes):
            site = site_of(asked, Path(folder) / str(count))
            every = tasks_of(site, asked.only)
            placed = bytes_of(site, every) if count else 0
            load = round(os.getloadavg()[0], 1)  # what else the machine does
            figures = measured(site, every, count)
            found["nodes"][count or "local"] = {**figures, "placed": placed, "load": load}
    print(json.dumps(found))


def site_of(asked: argparse.Namespace, store: Path) -> Site:
    """The run, with a store of its own."""
    models = tuple(read_candidates(asked.models))
    return Site(load_scenario(asked.scenario), models, Store(store))


def tasks_of(site: Site, only: str | None) -> list[Task]:
    """Everything, or what decides."""
    evidence, kinds = evidence_at(site), DECIDE if only else KINDS
    units = every_unit(evidence.material, site.candidates)
    return tasks([unit for unit in units if unit.kind in kinds], evidence)


def bytes_of(site: Site, every: list[Task]) -> int:
    """What is placed for these tasks."""
    size = 0

    def put(thing: object) -> int:
        nonlocal size
        size += thing.nbytes if isinstance(thing, np.ndarray) else len(pickle.dumps(thing))
        return size

    placing = Placing(evidence_at(site), put)
    for task in every:
        placing.parcel(task)
    return size


def measured(site: Site, every: list[Task], nodes: int) -> dict[str, float]:
    """Seconds and tasks on so many nodes; 0: in this process."""
    if not nodes:
        return figures_of(gather(Local(), every, site, lambda *_: None))
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
    )
    for _ in range(nodes):
        cluster.add_node(num_cpus=1, object_store_memory=256 << 20, wait=False)
    cluster.wait_for_nodes()
    begun = time.monotonic()
    try:
        return figures_of(gather(Ray(cluster.address), every, site, lambda *_: None))
    finally:
        print(f"{nodes} nodes: {time.monotonic() - begun:.1f} s", flush=True)
        cluster.shutdown()


def figures_of(gathered) -> dict[str, float]:
    """What is printed of a run."""
    return {
        "seconds": round(gathered.seconds, 1),
        "computed": gathered.computed,
        "kept": gathered.kept,
        "undone": len(gathered.undone),
    }


if __name__ == "__main__":
    main()
