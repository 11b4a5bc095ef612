"""`shortcut-audit init`: what is in a folder -> the files of a first audit, and what comes next.

Nothing is asked and nothing that exists is changed. Each file is written whole or not at all.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.errors import UsageError
from shortcut_audit.files.checkpoint_files import suffixes
from shortcut_audit.files.sources import shipped_audits
from shortcut_audit.files.whole import printable, replacing
from shortcut_audit.records import Candidate
from shortcut_audit.starting.ci_job import job_of, repository_of, service_of
from shortcut_audit.starting.first_scenario import scenario_text
from shortcut_audit.starting.found import (
    TRAINING,
    VALIDATION,
    PictureFolders,
    files_below,
    folder_of_checkpoints,
    folders_of_pictures,
    loose_pictures,
)
from shortcut_audit.starting.manifest import FILL_IN, manifest_text
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.manifest.file import MANIFEST

TABLES = {".csv", ".tsv", ".parquet"}
SCENARIO, AUDITS, REPORTS = "scenario.yaml", "audits", "reports"


@dataclass(frozen=True)
class Ground:
    """What was found, and where it was found."""

    folder: Path  # where the files go
    models: Path | None  # the folder of the checkpoints
    candidates: tuple[Candidate, ...]
    pictures: PictureFolders | None
    loose: Path | None = None  # a folder with pictures that lie in no class folders


def start(
    folder: Path, models: Path | None = None, pictures: Path | None = None, ci: str | None = None
) -> Iterator[str]:
    """Writes what is missing for a first audit in `folder`; says what was found and written.

    Args:
        folder: where the files go, and where checkpoints and pictures are looked for.
        models: their folder, if it is known.
        pictures: theirs, likewise.
        ci: "github", "gitlab" or "none"; None: as the repository has it.

    Raises:
        UsageError: a folder that is named is not there or holds nothing of the kind, or there are
            several of a kind and none is named.
        DataError: class folders that cannot be a data set.
    """
    ground = _found(folder, models, pictures)
    yield from _about(ground)
    yield from _write(ground, ci)
    yield from _next(ground)


def _found(folder: Path, models: Path | None, pictures: Path | None) -> Ground:
    """Looks for checkpoints and pictures: in the folders that are named, else in `folder`."""
    files = files_below(folder)
    if models is None:
        models = folder_of_checkpoints(folder, files)
    elif not models.is_dir():
        files_below(models)  # says what is wrong with it
    candidates = read_candidates(models) if models is not None else []
    shown = files if pictures is None else files_below(pictures)
    found = folders_of_pictures(pictures or folder, shown)
    loose = loose_pictures(shown) if found is None else None
    if found is None and pictures is not None:
        raise UsageError(_no_classes(pictures, loose))
    return Ground(folder, models, tuple(candidates), found, loose)


def _no_classes(folder: Path, loose: Path | None) -> str:
    """What is wrong with a folder of pictures that has no class folders."""
    what = f"the pictures in '{printable(loose)}' are not in class folders" if loose else ""
    what = what or f"'{printable(folder)}' holds no picture"
    said = f"{what}: put them into FOLDER/train/CLASS and FOLDER/val/CLASS, one folder a class"
    tables = sorted(each.name for each in folder.iterdir() if each.suffix.lower() in TABLES)
    if tables:
        said += (
            f"; or, if '{printable(tables[0])}' says what is on them, write "
            f"'dataset: {{kind: table, file: {printable(tables[0])}}}' into the scenario"
        )
    return said


def _about(ground: Ground) -> Iterator[str]:
    """What was found, and what is lacking."""
    if ground.models is None:
        kinds = ", ".join(suffixes())
        yield (
            f"checkpoints: none in '{printable(ground.folder)}' ({kinds}): put them into a folder "
            "there and run this command again, or say where they are with --models FOLDER"
        )
    else:
        named = ", ".join(each.file.name for each in ground.candidates[:6])
        more = ", ..." if len(ground.candidates) > 6 else ""
        count = len(ground.candidates)
        yield f"checkpoints: {count} in '{printable(ground.models)}' ({named}{more})"
    yield from _about_pictures(ground)


def _about_pictures(ground: Ground) -> Iterator[str]:
    """What pictures there are, and what to do about those that there are not."""
    pictures = ground.pictures
    if pictures is None:
        said = _no_classes(ground.folder, ground.loose)
        yield f"pictures: {said}; then run this command again, or name FOLDER with --pictures"
        yield f"{SCENARIO} is not written yet, for it names pictures and classes"
        return
    for split, folder in (("validation", pictures.validation), ("train", pictures.train)):
        if folder is not None:
            yield (
                f"pictures: {split} in '{printable(folder)}', {pictures.counts[split]} in "
                f"{len(pictures.classes)} class folders"
            )
    root = printable(pictures.root)
    if pictures.validation is None:
        yield (
            f"pictures: '{root}' has none to audit on ({', '.join(VALIDATION)}): move pictures "
            f"that no model was trained on into '{root}/val', each into the folder of its class"
        )
    elif pictures.undivided:
        yield (
            f"pictures: '{root}' is not divided into train and val, so that models are audited on "
            "pictures that they may have been trained on, and look better than they are: "
            f"move what they were not trained on into '{root}/val/CLASS' and the rest into "
            f"'{root}/train/CLASS', then delete {SCENARIO} and run this command again"
        )
    elif pictures.train is None:
        yield (
            f"pictures: no training pictures ({' or '.join(TRAINING)}) beside "
            f"'{printable(pictures.validation)}': the audits of influence need them, and say so"
        )


def _write(ground: Ground, ci: str | None) -> Iterator[str]:
    """Writes what is missing; a line for each file, and one for each that is left as it is."""
    yield from _write_audits(ground.folder / AUDITS)
    if ground.models is not None:
        yield from _write_manifest(ground, ground.models)
    if ground.pictures is not None:
        text = scenario_text(ground.folder, ground.pictures, len(ground.candidates))
        yield from _write_file(ground.folder / SCENARIO, text)
    if ci != "none" and ground.models is not None and ground.pictures is not None:
        service = ci or service_of(repository_of(ground.folder))
        uses_timm = any(each.arch.startswith("timm:") for each in _described(ground))
        job = job_of(service, ground.folder, _audit(ground), "timm" if uses_timm else "")
        yield from _write_file(job.file, job.text, job.hint)


def _described(ground: Ground) -> Sequence[Candidate]:
    """The candidates as the manifest has them by now."""
    return read_candidates(ground.models) if ground.models is not None else ()


def _write_audits(folder: Path) -> Iterator[str]:
    """Copies this version's audits, unless there is a folder of that name."""
    if folder.exists():
        yield f"left as it is: {_shown(folder)}"
        return
    for file in sorted(shipped_audits().glob("*.py")):
        with replacing(folder / file.name) as unfinished:
            unfinished.write_bytes(file.read_bytes())
    yield f"written: {_shown(folder)} (plain pytest files: change them, add to them)"


def _write_manifest(ground: Ground, models: Path) -> Iterator[str]:
    """Describes the checkpoints, unless there is a manifest."""
    path = models / MANIFEST
    if path.exists():
        yield from _write_file(path, "")
        return
    from shortcut_audit.starting.guessing import guesses_of
    from shortcut_audit.starting.trial import sample_of

    sample = sample_of(ground.pictures) if ground.pictures else None
    guesses = guesses_of(ground.candidates, ground.pictures, sample)
    yield from _write_file(path, manifest_text(models, guesses))
    for guess in guesses:
        if guess.note:
            yield f"  {guess.candidate.name}: {guess.note}"


def _write_file(path: Path, text: str, hint: str = "") -> Iterator[str]:
    """Writes one file, unless it is there; says what is guessed and what must be filled in."""
    if path.exists():
        text = path.read_text(encoding="utf-8", errors="replace")
        yield f"left as it is: {_shown(path)}"
    else:
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
        guesses = text.count("# guessed from ")
        marked = f" ({guesses} guesses are marked in it: check them)" if guesses else ""
        yield f"written: {_shown(path)}{marked}{'; ' if hint else ''}{hint}"
    for line in text.splitlines():
        if FILL_IN in line:
            yield f"  to fill in: {line.strip()}"


def _audit(ground: Ground) -> str:
    """The command that audits, as it is typed in the folder."""
    models = shlex.quote(_seen_from(ground.folder, ground.models or ground.folder))
    return f"pytest {AUDITS} --models {models} --scenario {SCENARIO}"


def _seen_from(folder: Path, other: Path) -> str:
    """A path as it is typed in the folder: relative where it lies in it."""
    folder, other = folder.resolve(), other.resolve()
    return (other.relative_to(folder) if other.is_relative_to(folder) else other).as_posix()


def _shown(path: Path) -> str:
    """A path as it is read where the user is."""
    return printable(_seen_from(Path(), path))


def _next(ground: Ground) -> Iterator[str]:
    """The commands that come next, each ready to be copied."""
    if ground.pictures is None:
        return
    if ground.folder.resolve() != Path.cwd():
        yield from ("go there:", f"    cd {shlex.quote(str(ground.folder))}")
    shown = ground.pictures.validation or ground.pictures.root
    pictures = shlex.quote(_seen_from(ground.folder, shown))
    yield "look at what will be put on your pictures (decoys.png):"
    yield f"    shortcut-audit decoys --pictures {pictures} --scenario {SCENARIO}"
    if not ground.candidates:
        return
    yield f"audit, and read {REPORTS}/report.html:"
    yield f"    {_audit(ground)}"
    name = shlex.quote(ground.candidates[0].name)
    yield "ask whether one checkpoint may be promoted, as a release does (exit code 0: yes):"
    yield (
        f"    shortcut-audit gate {REPORTS}/verdict.json --model {name} "
        f"--scenario {SCENARIO} --audits {AUDITS}"
    )
