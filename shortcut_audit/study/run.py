"""`shortcut-audit study`: trains and measures what is missing, and writes the page.

It may be stopped at any time; what is finished is kept.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Collection
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
from shortcut_audit.progress import shown_as_lines
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario
from shortcut_audit.study.ground import Ground
from shortcut_audit.study.page import Chapter, word, write
from shortcut_audit.study.sections import Agreement, Cell, Section, Table
from shortcut_audit.subjects.loading.device import chosen_device
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.training.plan import Job, plan
from shortcut_audit.training.train import progress_bar, train, writing


def study(
    scenario: Scenario,
    out: Path,
    models: Path | None = None,
    only: Collection[str] | None = None,
    trust_code: bool = False,
    progress: bool = True,
    command: str = "",
) -> Path:
    """Writes `study.html`, `study.json`, `tables/` and `figures/` to `out`, and returns the page.

    Models and evidence lie in `out` too, and what is there already is kept. An experiment that the
    scenario has no models for says so on the page. With `only` the page has another name, such as
    `study-e3-e4.html`, so that a part never replaces the whole.

    Args:
        scenario: its `training.models` say which models there are.
        models: a folder of checkpoints of these names, to be studied as they are; None: they
            are trained into `out/models`.
        only: experiments, by name or by its beginning ("e3").
        trust_code: let scenario or manifest name an architecture of the user's own.
        progress: say on the terminal how far the work is; a log gets a line for each experiment.
        command: what the page says of how it was made.

    Raises:
        UsageError: an experiment is not there, or no model is, or `out` cannot be written to.
    """
    names, jobs = chosen(only), plan(scenario)
    _check_writable(out)
    if models is None:
        models = out / "models"
        train(scenario, models, progress=progress, trust_code=trust_code)
    candidates = named_as_planned(read_candidates(models), jobs, scenario.training.size)
    device = str(chosen_device(scenario.training.device))
    answers = Answers(scenario, candidates, Store(out / "evidence"), device, trust_code)
    answers.material.check(scenario.decoys)
    answers.material.try_decoys(scenario.decoys, scenario.training.size)
    ground = Ground(answers, jobs)
    chapters = _chapters(names, ground, progress)
    return write(chapters, _about(ground, command), out, _stem(only, names))


def chosen(only: Collection[str] | None) -> list[str]:
    """The names of the experiments asked for, in their order; all of them for None."""
    known = registry.names("experiment")
    if only is None:
        return known
    found: set[str] = set()
    for asked in only:
        matching = [name for name in known if name == asked or name.startswith(f"{asked}_")]
        if not matching:
            raise UsageError(f"no experiment called '{asked}'{did_you_mean(asked, known)}")
        found.update(matching)
    return sorted(found)


def _stem(only: Collection[str] | None, names: Collection[str]) -> str:
    """The page's name without its ending: `study`, or `study-e3-e4` for a part of it."""
    if only is None:
        return "study"
    return "-".join(["study", *(_short(name) for name in names)])


def _short(name: str) -> str:
    """`e3` for `e3_masks_confirm`."""
    return name.partition("_")[0]


def _check_writable(out: Path) -> None:
    """A folder that cannot be written to is found before the work, not after it."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / ".writable").touch()
        (out / ".writable").unlink()


def named_as_planned(
    candidates: list[Candidate], jobs: Collection[Job], size: int
) -> list[Candidate]:
    """The candidates that the scenario trains, under its names; `F50` also serves for `F50-s0`.

    Raises:
        UsageError: none of them is there, or one takes pictures of another size than `size`.
    """
    found = {candidate.name: candidate for candidate in candidates}
    kept = []
    for job in jobs:
        candidate = found.get(job.name) or found.get(job.name.removesuffix("-s0"))
        if candidate is not None:
            kept.append(replace(candidate, name=job.name))
    if not kept:
        more = ", ..." if len(found) > 5 else ""
        trained = ", ".join(job.name for job in jobs)
        raise UsageError(
            f"none of the models {', '.join(list(found)[:5])}{more} is one that the scenario "
            f"trains ({trained}): name them so, or leave --models out"
        )
    for each in kept:
        if not each.problem and each.size != size:
            raise UsageError(
                f"{each.name} takes pictures of {each.size} pixels, "
                f"the scenario has training.size {size}: set it so"
            )
    return kept


def _chapters(names: Collection[str], ground: Ground, progress: bool) -> list[Chapter]:
    """Runs the experiments: a terminal sees how far they are, a log gets a line for each."""
    chapters = []
    with progress_bar(len(names), "experiment", progress) as bar:
        ground.answers.progress = shown_as_lines(bar.set_postfix_str)
        for name in names:
            bar.set_postfix_str("", refresh=False)
            bar.set_description(_short(name))
            chapter = _chapter(name, ground)
            chapters.append(chapter)
            bar.update()
            if progress:
                tqdm.write(f"{name}: {_in_short(chapter)}", file=sys.stderr)
    return chapters


def _chapter(name: str, ground: Ground) -> Chapter:
    """Runs one experiment; if it cannot be measured, or breaks, the chapter says why.

    The other experiments go on.
    """
    experiment = registry.build("experiment", name)
    began = time.monotonic()
    try:
        section = experiment.run(ground)
    except ShortcutAuditError as error:
        section = _not_measured(experiment.title, str(error))
    except Exception as error:
        section = _not_measured(experiment.title, f"the experiment broke: {error!r}")
    return Chapter(name, experiment.title, experiment.source, section, time.monotonic() - began)


def _not_measured(title: str, reason: str) -> Section:
    return Section((Agreement(title, reason, None),))


def _in_short(chapter: Chapter) -> str:
    """`Masks confirm the decoy (12 s): 2 agrees, 1 differs`."""
    counts = Counter(word(each) for each in chapter.section.agreements)
    said = ", ".join(f"{count} {each}" for each, count in counts.items())
    return f"{chapter.title} ({chapter.seconds:.0f} s): {said}"


def _about(ground: Ground, command: str) -> dict[str, Any]:
    """What the page says above its chapters: a title, facts, the models, and notes on the data."""
    answers, material, scenario = ground.answers, ground.material, ground.scenario
    architectures = sorted({each.arch for each in answers.candidates.values()})
    facts = (
        ("command", f"shortcut-audit {command}" if command else "from Python"),
        ("classes", ", ".join(material.classes)),
        ("architecture", f"{', '.join(architectures)}, {ground.size} px"),
        ("masks", f"{scenario.masks.explainer}, {scenario.masks.area:.0%} of the picture"),
        ("device", answers.device),
        ("date", date.today().isoformat()),
        ("shortcut-audit", __version__),
        ("torch", torch.__version__),
    )
    return {
        "title": f"The thesis's experiments on {scenario.dataset.get('kind', 'your data')}",
        "facts": facts,
        "notes": sorted({*material.broken, *material.notes, *answers.store.problems}),
        "models": _models(ground),
    }


def _models(ground: Ground) -> Table:
    """The models with their accuracy on the validation pictures without any decoy."""
    columns = ("model", "decoy", "coverage", "plain validation accuracy", "n")
    caption = "The models: a Rashomon set, as far as their accuracy is the same."
    rows: list[tuple[Cell, ...]] = []
    for job in ground.jobs:
        if job.name in ground.answers.candidates:
            rows.append((job.name, job.decoy or "none", job.coverage, *_accuracy(ground, job.name)))
    return Table("models", caption, columns, tuple(rows))


def _accuracy(ground: Ground, model: str) -> tuple[float | str, int]:
    """The share of n validation pictures on which it is right, and n; why not, if it is broken."""
    labels = ground.validation.labels
    try:
        said = ground.answers.logits(model, ground.validation.pixels).argmax(1)  # (n,)
    except ShortcutAuditError as error:
        return str(error), 0
    return float((said == labels).mean()), len(labels)
