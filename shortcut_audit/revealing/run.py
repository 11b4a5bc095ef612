"""`shortcut-audit discover`: searches, confirms, and writes what it found.

It may be stopped at any time; what is finished is kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tqdm import tqdm

from shortcut_audit.discovery.asked import discovery_of
from shortcut_audit.errors import ModelError, ShortcutAuditError, UsageError
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.progress import Progress, shown_as_lines
from shortcut_audit.revealing.gallery import write_gallery
from shortcut_audit.revealing.record import write_record
from shortcut_audit.revealing.revealed import Revealed
from shortcut_audit.revealing.scenario_file import write_scenario
from shortcut_audit.revealing.searching import reveal
from shortcut_audit.scenario import Scenario
from shortcut_audit.settings import Discover
from shortcut_audit.subjects.loading.device import chosen_device
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.training.train import progress_bar, writing


def discover(
    scenario: Scenario, models: Path, out: Path, device: str = "auto", trust_code: bool = False
) -> tuple[Revealed, list[Path]]:
    """Searches the models of a folder; returns what was found and the files that say so.

    Raises:
        UsageError: no models, a class that there is not, or `out` cannot be written to.
        DataError: the data set has no training pictures, or too few.
    """
    candidates = read_candidates(models)
    store, on = Store(out / "evidence"), str(chosen_device(device))
    evidence = Evidence(scenario, candidates, store, on, trust_code)
    with _made(out):
        return _discovered(evidence, out)


def _discovered(evidence: Evidence, out: Path) -> tuple[Revealed, list[Path]]:
    with progress_bar(len(discovery_of(evidence).searched()), "model", progress=True) as bar:
        evidence.progress = _spoken(shown_as_lines(bar.set_postfix_str))
        for line in _not_asked(evidence):
            tqdm.write(line, file=sys.stderr)

        def searched(model: str) -> None:
            bar.update()
            tqdm.write(f"searched: {model}", file=sys.stderr)

        revealed = reveal(evidence, searched)
        with writing(out):
            written = [write_gallery(revealed, evidence, out)]
            written += write_scenario(revealed, evidence.scenario, out)
            written.append(write_record(revealed, out))
    return revealed, written


@contextmanager
def _made(out: Path) -> Iterator[None]:
    """The folder is there before anything is searched; where that fails, none is left empty."""
    new = [folder for folder in (out, *out.parents) if not folder.exists()]
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except ShortcutAuditError:
        for folder in new:
            with suppress(OSError):  # something is kept in it
                folder.rmdir()
        raise


def _not_asked(evidence: Evidence) -> Iterator[str]:
    """A line for each model that cannot be loaded: a search may take hours, and goes on without."""
    for model in evidence.candidates:
        try:
            evidence.subject(model)
        except (ModelError, UsageError) as error:
            yield f"not asked: {error}"


def _spoken(shown: Progress) -> Progress:
    """The same progress, and a line for each step where no terminal draws the bar."""
    before = [""]

    def said(what: str, done: int, total: int) -> None:
        if what != before[0] and not sys.stderr.isatty():
            tqdm.write(what, file=sys.stderr)
        before[0] = what
        shown(what, done, total)

    return said


def asked_for(scenario: Scenario, classes: Sequence[str] | None) -> Scenario:
    """The scenario with a search in it, into these classes where some are named."""
    asked = (scenario.discover or Discover()).model_dump() | {"shared": True}
    if classes:
        asked |= {"classes": tuple(dict.fromkeys(classes))}
    settings = Discover.model_validate(asked)
    return scenario.model_copy(update={"discover": settings})
