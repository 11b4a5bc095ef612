"""One cell of `benchmarks/scale.py`: how much the evidence of an audit costs. It is asked in a
process of its own.

Nothing is trained: the models are `shortcut_audit:small_resnet` with random weights, each from a
seed. What a model answers does not change what it costs to ask it.
"""

from __future__ import annotations

import os
import resource
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from shortcut_audit.files.store import Store
from shortcut_audit.gathering.cluster import SETTINGS
from shortcut_audit.gathering.engines.ray import Ray
from shortcut_audit.gathering.gather import engine_of, gather
from shortcut_audit.gathering.site import Site, evidence_at
from shortcut_audit.gathering.tasks import DECIDE, every_unit, tasks
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.loading.small_resnet import SmallResnet
from shortcut_audit.subjects.manifest.candidates import read_candidates

CLASSES = ("cat", "fish", "house", "car", "tree")
SIZE, SIDE = 64, 80  # pixels: of what a model sees, and of a photograph's file
BACKGROUND, QUERIES = 100, 10
OBJECT_STORE = 200 << 20  # bytes of each node of a Ray cluster


@dataclass(frozen=True)
class Cell:
    """How much there is of each thing."""

    models: int = 1
    images: int = 1000  # for validation
    training: int = 0  # of which a fifth shows the class that is read; 0: no influence is asked
    decoys: int = 1
    workers: int = 1
    nodes: int = 0  # of a Ray cluster on this machine; 0: the engine `local`
    photographs: bool = False  # JPEG files in folders; False: the demo's drawings

    @property
    def name(self) -> str:
        """`1-1000-0-1-1-0-0`"""
        return "-".join(str(int(value)) for value in asdict(self).values())


def measured(cell: Cell, folder: Path) -> dict[str, Any]:
    """Seconds, bytes and how many entries were computed; what is kept stays in the folder."""
    torch.set_num_threads(1)
    own = folder / cell.name
    own.mkdir(exist_ok=True, parents=True)
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    (own / "scale.yaml").write_text(yaml.safe_dump(scenario(cell, folder)))
    models = tuple(read_candidates(written_models(folder, cell.models)))
    site = Site(load_scenario(own / "scale.yaml"), models, Store(own / "evidence"))
    evidence, began = evidence_at(site), spent()
    for split in ("validation", "background"):
        evidence.material.pictures(split, SIZE)
    read = since(began)
    with (nodes if cell.nodes else processes)(cell) as engine:
        began = spent()
        found, moved = gathered(engine, site, cell)
        asked(evidence, cell)
        took = since(began)
    return {
        "read_cpu_s": read["cpu"],
        "cpu_s": None if cell.nodes else took["cpu"],
        "wall_s": took["wall"],
        "peak_mb": max(map(peak, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))),
        "moved_mb": moved if cell.nodes else took["moved"],
        "kept_mb": sum(each.stat().st_size for each in (own / "evidence").rglob("*.*")) / 1e6,
        "computed": evidence.computed if cell.workers == 1 and not cell.nodes else found.computed,
        "undone": len(found.undone) + len(found.refused) + len(found.problems),
    }


def gathered(engine: Any, site: Any, cell: Cell) -> tuple[Any, float]:
    """What comes of all tasks, and the MB that were put where other machines can fetch them."""
    kinds = (*DECIDE, "influence") if cell.training else DECIDE
    evidence = evidence_at(site)
    units = every_unit(evidence.material, site.candidates)
    with counted_puts() if cell.nodes else no_puts() as put:
        every = tasks([unit for unit in units if unit.kind in kinds], evidence)
        return gather(engine, every, site, lambda *_: None), sum(put) / 1e6


def asked(evidence: Any, cell: Cell) -> None:
    """Asks as audits do, once the evidence is there."""
    for model in evidence.candidates:
        for decoy in evidence.scenario.decoys:
            for strength in range(len(evidence.material.strengths(decoy))):
                evidence.predictions(model, decoy, strength)
            if cell.training:
                evidence.influence(model, decoy, evidence.target(decoy, (model,)))


# ---- what there is to ask about ----


def scenario(cell: Cell, folder: Path) -> dict[str, Any]:
    """A scenario of this size; photographs are written into the folder."""
    counts = {"validation": cell.images, "train": cell.training, "background": BACKGROUND}
    if cell.photographs:
        dataset: dict[str, Any] = {"kind": "image_folder", "workers": 1}
        for split, count in counts.items():
            if count:
                dataset[split] = str(written_photographs(folder / "photographs", split, count))
    else:
        each = {split: counts[split] // len(CLASSES) for split in ("validation", "train")}
        dataset = {"kind": "demo", "background": BACKGROUND, **each}
    decoy = {"kind": "stop_sign", "target": "cat", "placement": "random_position", "size": 0.2}
    decoys = {f"sign{i}": {**decoy, "opacity": 1.0, "seed": i} for i in range(cell.decoys)}
    return {"dataset": dataset, "decoys": decoys, "influence": {"queries": QUERIES}}


def written_models(folder: Path, count: int) -> Path:
    """A folder of so many checkpoints, no two with the same weights."""
    models, listed = folder / f"models-{count}", {}
    models.mkdir(exist_ok=True)
    for seed in range(count):
        torch.manual_seed(seed)
        save_file(SmallResnet(len(CLASSES)).state_dict(), models / f"m{seed:02}.safetensors")
        listed[f"m{seed:02}"] = {"file": f"m{seed:02}.safetensors"}
    said = {"arch": "shortcut_audit:small_resnet", "classes": list(CLASSES), "models": listed}
    manifest = {**said, "input": {"size": SIZE}}
    (models / "rashomon.yaml").write_text(yaml.safe_dump(manifest))
    return models


def written_photographs(folder: Path, split: str, count: int) -> Path:
    """A folder of so many JPEGs, no two alike, in a folder for each class."""
    root = folder / f"{split}-{count}"
    if root.exists():
        return root
    for i in range(count):
        name = CLASSES[i % len(CLASSES)] if split != "background" else "."
        (root / name).mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng((*split.encode(), i))
        colours = rng.integers(0, 256, (6, 6, 3), np.uint8)
        picture = Image.fromarray(colours).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(root / name / f"{i:06}.jpg", quality=85)
    return root


# ---- who does it ----


@contextmanager
def processes(cell: Cell) -> Iterator[Any]:
    """The engine `local`."""
    yield engine_of("local", cell.workers)


@contextmanager
def nodes(cell: Cell) -> Iterator[Any]:
    """The engine `ray` on a cluster of so many nodes of one processor each."""
    os.environ.update(SETTINGS)
    warnings.simplefilter("ignore")  # they are Ray's own, about Ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": OBJECT_STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(cell.nodes):
            cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE, wait=False)
        cluster.wait_for_nodes()
        yield Ray(cluster.address)
    finally:
        cluster.shutdown()


@contextmanager
def no_puts() -> Iterator[list[int]]:
    """Nothing is put anywhere."""
    yield []


@contextmanager
def counted_puts() -> Iterator[list[int]]:
    """Gives a list to which the bytes of each array that is put into Ray's store are added."""
    import ray

    put, sizes = ray.put, list[int]()

    def noted(value: Any, **more: Any) -> Any:
        sizes.append(getattr(value, "nbytes", 0))
        return put(value, **more)

    ray.put = noted
    try:
        yield sizes
    finally:
        ray.put = put


# ---- how much it takes ----


def spent() -> dict[str, float]:
    """Seconds, and MB that were read and written, of this process and of those that it awaited."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(each.ru_utime + each.ru_stime for each in used)
    return {"cpu": cpu, "wall": time.monotonic(), "moved": read_and_written()}


def since(began: dict[str, float]) -> dict[str, float]:
    """What was spent since then."""
    return {name: value - began[name] for name, value in spent().items()}


def read_and_written() -> float:
    """MB through files and pipes; 0 where the system does not say."""
    try:
        lines = Path("/proc/self/io").read_text().split("\n")[:2]  # rchar, wchar
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines) / 1e6


def peak(who: int) -> float:
    """MB that a process had in memory at most: this one, or the largest of those it awaited."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss * unit / 1e6
