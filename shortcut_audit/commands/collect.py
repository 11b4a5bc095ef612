"""`shortcut-audit collect`: the evidence alone, ahead of pytest, on any number of machines."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortcut_audit.commands.options import add_data, count

if TYPE_CHECKING:
    from shortcut_audit.gathering.gather import Gathered
    from shortcut_audit.gathering.site import Site
    from shortcut_audit.gathering.tasks import Task

UNDONE = 1  # the exit code where the machine left some


def add(commands: Any) -> None:
    """Adds the command."""
    collect = commands.add_parser(
        "collect", help="compute the evidence that audits will ask for, ahead of pytest"
    )
    collect.add_argument(
        "--models", type=Path, required=True, metavar="DIR", help="the checkpoints, or one file"
    )
    collect.add_argument("--scenario", type=Path, required=True, metavar="FILE")
    collect.add_argument(
        "--only",
        choices=("decides",),
        help="only what the audits that decide ask for: answers, and neither masks nor influence",
    )
    _add_places(collect)
    _add_machines(collect)
    collect.set_defaults(command=_collect)


def _add_places(collect: argparse.ArgumentParser) -> None:
    """Adds where things are."""
    add_data(collect)
    collect.add_argument(
        "--out",
        "--audit-reports",
        type=Path,
        default=Path("reports"),
        metavar="DIR",
        help="the folder of reports, as pytest is told it (default: reports)",
    )
    collect.add_argument(
        "--store",
        metavar="WHERE",
        help="where evidence is kept: a folder, or s3://bucket/prefix (default: OUT/evidence)",
    )
    collect.add_argument(
        "--conftest",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="a conftest.py that registers decoys or explainers of your own (runs code)",
    )


def _add_machines(collect: argparse.ArgumentParser) -> None:
    """Adds who does it, and on what."""
    collect.add_argument(
        "--engine",
        default="local",
        metavar="NAME",
        help="local: processes of this machine; ray: a Ray cluster, at RAY_ADDRESS where that is "
        "set; options follow it, as in ray,gpus=0.25 (default: local)",
    )
    collect.add_argument(
        "--workers", type=count, metavar="N", help="tasks at a time (default: the engine's own)"
    )
    collect.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:1, or auto: cuda where there is one; the audits must run on the same",
    )
    collect.add_argument(
        "--trust-code",
        action="store_true",
        help="let the manifest name architectures of your own (runs code)",
    )


def _collect(asked: argparse.Namespace) -> int:
    from shortcut_audit.gathering.gather import engine_of

    engine = engine_of(asked.engine, asked.workers)
    site = _site(asked)
    gathered = _with_a_bar(engine, _tasks(site, asked.only), site)
    print(gathered.words())
    for sentence in dict.fromkeys((*gathered.undone, *gathered.refused, *gathered.problems)):
        print(sentence)
    return 0 if gathered.whole else UNDONE


def _site(asked: argparse.Namespace) -> Site:
    from shortcut_audit.errors import UsageError
    from shortcut_audit.files.store import store_at
    from shortcut_audit.gathering.site import Site
    from shortcut_audit.scenario import load_scenario
    from shortcut_audit.subjects.loading.device import chosen_device
    from shortcut_audit.subjects.manifest.candidates import read_candidates

    for file in asked.conftest:
        if not file.is_file():
            raise UsageError(f"there is no file '{file}': --conftest names Python files of yours")
    return Site(
        load_scenario(asked.scenario, asked.data),
        tuple(read_candidates(asked.models)),
        store_at(asked.store or asked.out / "evidence"),
        str(chosen_device(asked.device)),
        asked.trust_code,
        tuple(file.absolute() for file in asked.conftest),
    )


def _tasks(site: Site, only: str | None) -> list[Task]:
    from shortcut_audit.gathering.site import evidence_at
    from shortcut_audit.gathering.tasks import DECIDE, every_unit, tasks

    evidence = evidence_at(site)
    units = every_unit(evidence.material, site.candidates)
    return tasks([unit for unit in units if not only or unit.kind in DECIDE], evidence)


def _with_a_bar(engine: Any, tasks: list[Task], site: Site) -> Gathered:
    from shortcut_audit.gathering.gather import gather
    from shortcut_audit.training.train import progress_bar

    with progress_bar(len(tasks), "task", progress=True) as bar:

        def report(what: str, done: int, total: int) -> None:
            bar.set_postfix_str(what, refresh=False)
            bar.update(done - bar.n)

        return gather(engine, tasks, site, report)
