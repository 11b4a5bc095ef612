"""Trains what is missing, measures what is missing, writes the page: `shortcut-audit study`. It may
be stopped at any time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from shortcut_audit import __version__, registry
from shortcut_audit.errors import ShortcutAuditError, UsageError, did_you_mean
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.files.store import Store
from shortcut_audit.progress import told
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.page import Chapter, word, write
from shortcut_audit.study.sections import Agreement, Section, Table
from shortcut_audit.subjects.loading.device import chosen_device
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.training.plan import Job, plan
from shortcut_audit.training.train import train, writing


def study(
    scenario: Scenario,
    out: Path,
    models: Path | None = None,
    only: Collection[str] | None = None,
    trust_code: bool = False,
    progress: bool = True,
    command: str = "",
) -> Path:
    """Writes `study.html`, `study.json`, `tables/` and `figures/` to `out`, beside models and
    evidence; returns the page.

    What is there already is kept: finished models and their evidence. Experiments that the scenario
    has no models for say so. With `only` the page is another one, `study-e3-e4.html`: a whole one
    is never replaced by a part of it.

    Args:
        scenario: its `training.models` say which models there are.
        models: a folder of checkpoints of these names, to be studied as they are; None: they
            are trained into `out/models`.
        only: experiments, by name or by its beginning ("e3").
        trust_code: let scenario or manifest name an architecture of the user's own.
        command: what the page says of how it was made.

    Raises:
        UsageError: an experiment is not there, or no model is, or `out` cannot be written to.
    """
    names, jobs = chosen(only), plan(scenario)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink()
    if models is None:
        models = out / "models"
        train(scenario, models, progress=progress, trust_code=trust_code)
    candidates = named_as_planned(read_candidates(models), jobs, scenario.training.size)
    show = _on_terminal if progress and sys.stderr.isatty() else _nowhere
    device = str(chosen_device(scenario.training.device))
    answers = Answers(scenario, candidates, Store(out / "evidence"), device, trust_code, told(show))
    answers.material.check(scenario.decoys)
    answers.material.try_decoys(scenario.decoys, scenario.training.size)
    ground = Ground(answers, jobs)
    chapters = []
    for name in names:
        chapters.append(_chapter(name, ground))
        show("")
        if progress:
            tqdm.write(f"{name}: {_in_short(chapters[-1])}", file=sys.stderr)
    stem = (
        "study"
        if only is None
        else "-".join(["study", *(name.partition("_")[0] for name in names)])
    )
    about = _told(scenario, command, ground, device)
    show("")
    return write(chapters, about, out, stem)


def chosen(only: Collection[str] | None) -> list[str]:
    """The experiments asked for, in their order; all of them for None."""
    known = registry.names("experiment")
    for asked in only or ():
        if not any(name == asked or name.startswith(f"{asked}_") for name in known):
            raise UsageError(f"no experiment called '{asked}'{did_you_mean(asked, known)}")
    return [
        name
        for name in known
        if only is None or any(name == each or name.startswith(f"{each}_") for each in only)
    ]


def named_as_planned(
    candidates: list[Candidate], jobs: Collection[Job], size: int
) -> list[Candidate]:
    """The candidates that the scenario trains, of its input size; `F50` also serves for `F50-s0`."""
    found = {candidate.name: candidate for candidate in candidates}
    kept = []
    for job in jobs:
        candidate = found.get(job.name) or found.get(job.name.removesuffix("-s0"))
        if candidate is not None:
            kept.append(replace(candidate, name=job.name))
    if not kept:
        there = ", ".join([*list(found)[:5], *(["..."] if len(found) > 5 else [])])
        raise UsageError(
            f"none of the models {there} is one that the scenario trains ({', '.join(job.name for job in jobs)}): "
            "name them so, or leave --models out"
        )
    for each in kept:
        if not each.problem and each.size != size:
            raise UsageError(
                f"{each.name} takes pictures of {each.size} pixels, the scenario has training.size {size}: set it so"
            )
    return kept


def _chapter(name: str, ground: Ground) -> Chapter:
    """What cannot be measured, or breaks, is a sentence on the page; the other experiments go on."""
    experiment = registry.build("experiment", name)
    began = time.monotonic()
    try:
        section = experiment.run(ground)
    except Exception as error:
        reason = (
            str(error)
            if isinstance(error, ShortcutAuditError)
            else f"the experiment broke: {error!r}"
        )
        section = Section((Agreement(experiment.title, reason, None),))
    return Chapter(name, experiment.title, experiment.source, section, time.monotonic() - began)


def _in_short(chapter: Chapter) -> str:
    said = [word(each) for each in chapter.section.agreements]
    counts = ", ".join(f"{said.count(each)} {each}" for each in dict.fromkeys(said))
    return f"{chapter.title} ({chapter.seconds:.0f} s): {counts}"


def _told(scenario: Scenario, command: str, ground: Ground, device: str) -> dict[str, Any]:
    notes = sorted(
        {*ground.material.broken, *ground.material.notes, *ground.answers.store.problems}
    )
    facts = (
        ("command", f"shortcut-audit {command}" if command else "from Python"),
        ("classes", ", ".join(ground.material.classes)),
        (
            "architecture",
            f"{', '.join(sorted({each.arch for each in ground.answers.candidates.values()}))}, {ground.size} px",
        ),
        ("masks", f"{scenario.masks.explainer}, {scenario.masks.area:.0%} of the picture"),
        ("device", device),
        ("date", date.today().isoformat()),
        ("shortcut-audit", __version__),
        ("torch", torch.__version__),
    )
    title = f"The thesis's experiments on {scenario.dataset.get('kind', 'your data')}"
    return {"title": title, "facts": facts, "models": _models(ground), "notes": notes}


def _models(ground: Ground) -> Table:
    rows = tuple(_model_rows(ground))
    columns = ("model", "decoy", "coverage", "plain validation accuracy", "n")
    return Table(
        "models", "The models: a Rashomon set, as far as their accuracy is the same.", columns, rows
    )


def _model_rows(ground: Ground) -> Iterator[tuple[str | int | float | None, ...]]:
    labels = ground.validation.labels
    for job in ground.jobs:
        if job.name in ground.answers.candidates:
            try:
                right = (
                    ground.answers.logits(job.name, ground.validation.pixels).argmax(1) == labels
                )
                yield job.name, job.decoy or "none", job.coverage, float(right.mean()), len(labels)
            except ShortcutAuditError as error:
                yield job.name, job.decoy or "none", job.coverage, str(error), 0


def _on_terminal(line: str) -> None:
    sys.stderr.write(f"\r\033[K{line}\r")
    sys.stderr.flush()


def _nowhere(_line: str) -> None:
    """A log is spared every step."""
