"""How much the search for unnamed shortcuts finds, and how often it cries wolf. For
docs/discovery.md.

python benchmarks/discovery.py SCENARIO MODELS OUT.jsonl [--data DIR] [--processes 2] [--only NAME...]

SCENARIO has `calibration`, MODELS is what `shortcut-audit calibrate` trained for it. Each model is
searched as a user would: its own training pictures, the decoy on them, clean models of its own
recipe as references, no decoy named. It may be stopped and goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from shortcut_audit.calibration.audit_functions import audit_functions
from shortcut_audit.calibration.behaviour import specific_insertion
from shortcut_audit.calibration.population import Trial, trained_by, trials
from shortcut_audit.discovery.asked import discovery_of
from shortcut_audit.discovery.families.family import Family
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.harness.judge import Harness
from shortcut_audit.processors import shared_out
from shortcut_audit.records import Case
from shortcut_audit.scenario import Scenario, load_scenario
from shortcut_audit.settings import Discover
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.pictures.material import Material

AUDITS = Path(__file__).parents[1] / "audits"
AUDIT = "unknown_shortcuts"


@dataclass(frozen=True)
class Ask:
    """Where everything is; a process builds the rest from it."""

    scenario: Path
    models: Path
    store: Path
    data: Path | None


@cache
def _known(ask: Ask) -> tuple[Scenario, dict[str, Any], dict[str, Material]]:
    scenario = load_scenario(ask.scenario, ask.data)
    return scenario, {each.name: each for each in read_candidates(ask.models)}, {}


def measured(ask: Ask, trial: Trial) -> dict[str, Any]:
    """One model: what was proposed, what was confirmed, and what it does with its own decoy."""
    named, _, _ = _known(ask)
    job, evidence = trial.job, evidence_of(ask, trial)
    begun = time.monotonic()
    found = discovery_of(evidence).named()
    searched = time.monotonic() - begun
    (check,) = audit_functions(AUDITS, AUDIT)
    judged = Harness(evidence).judge(check.function, check.given, Case((job.name,)), check.name)
    own = [each for each in judged if each.audit == AUDIT]
    row: dict[str, Any] = {
        "model": job.name,
        "recipe": trial.recipe,
        "decoy": job.decoy,
        "worn_by": job.worn_by,
        "coverage": job.coverage,
        "target": named.target(job.decoy) if job.decoy else None,
        "insertion": _insertion(ask, trial) if job.decoy else None,
        "search_seconds": round(searched, 1),
        "seconds": round(time.monotonic() - begun, 1),
        "tried": [_row(each) for each in discovery_of(evidence).families(job.name)],
        "proposed": [],
    }
    for (name, family), finding in zip(found.items(), own, strict=False):
        confirmed = {"name": name, "verdict": finding.verdict.value, "claim": finding.claim}
        row["proposed"].append({**_row(family), **confirmed, **_likeness(named, trial, family)})
    return row


def evidence_of(ask: Ask, trial: Trial) -> Evidence:
    """What a user would have: the model, clean ones of its recipe as references, its pictures."""
    named, every, materials = _known(ask)
    scenario = _sought(trained_by(named, trial.recipe), trial)
    models = [replace(every[trial.job.name], reference=False)]
    models += [replace(every[name], reference=True) for name in trial.references]
    key = repr(scenario.dataset)
    material = materials.setdefault(key, Material(scenario))
    for other in [each for each in materials if each != key]:
        del materials[other]
    return Evidence(scenario, models, Store(ask.store), pictures=material)


def _sought(scenario: Scenario, trial: Trial) -> Scenario:
    """The scenario of somebody who names nothing, with the pictures that the model learned from."""
    job, dataset = trial.job, dict(scenario.dataset)
    if job.decoy:
        options = dict(scenario.decoys[job.decoy])
        worn = {
            "decoy": {"kind": options.pop("kind", job.decoy), **options},
            "by": options["target"] if job.worn_by == "target" else job.worn_by,
            "coverage": job.coverage,
            "seed": job.seed,
        }
        dataset = {"kind": "decoyed", "of": dataset, "wears": [worn]}
    changes = {"dataset": dataset, "decoys": {}, "discover": Discover(), "blocking": (AUDIT,)}
    return scenario.model_copy(update={**changes, "strengths": ()})


def _insertion(ask: Ask, trial: Trial) -> float:
    """What the model's own decoy does on the validation pictures."""
    named, every, _ = _known(ask)
    decoy = str(trial.job.decoy)
    narrowed = named.model_copy(update={"decoys": {decoy: named.decoys[decoy]}})
    evidence = Evidence(narrowed, [every[trial.job.name]], Store(ask.store))
    target = evidence.material.named_decoy(decoy).target_index
    return round(specific_insertion(evidence.predictions(trial.job.name, decoy), target), 3)


def _row(family: Family) -> dict[str, Any]:
    return {
        "target": family.target,
        "proposers": family.proposers,
        "own": round(family.own, 3),
        "peers": round(family.peers, 3),
        "recurs": family.recurs,
        "kind": "mark" if family.rgba is not None else str((family.filter or {}).get("kind")),
        "fixed": family.corner is not None,
    }


def _likeness(scenario: Scenario, trial: Trial, family: Family) -> dict[str, float]:
    """IoU of a local mark with the planted one, each shifted to lie upon the other, and the
    correlation of their colours where both are.
    """
    if trial.job.decoy is None or family.rgba is None:
        return {}
    planted = scenario.build_decoy(trial.job.decoy)
    if not hasattr(planted, "pictures"):
        return {}
    true = planted.pictures(max(1, round(planted.size * family.side)))[0]
    one, other = (_on_canvas(each, 2 * family.side) for each in (true, family.rgba))
    spectrum = np.fft.rfft2(one[..., 3] > 0) * np.conj(np.fft.rfft2(other[..., 3] > 0))
    shift = np.unravel_index(np.argmax(np.fft.irfft2(spectrum, one.shape[:2])), one.shape[:2])
    moved = np.roll(other, shift, (0, 1))
    both = (one[..., 3] > 0) & (moved[..., 3] > 0)
    either = (one[..., 3] > 0) | (moved[..., 3] > 0)
    said = {"iou": round(float(both.sum() / either.sum()), 3)}
    colours = one[both][:, :3].ravel(), moved[both][:, :3].ravel()
    if min(np.std(each) for each in colours) > 0:
        said["correlation"] = round(float(np.corrcoef(*colours)[0, 1]), 3)
    return said


def _on_canvas(rgba: np.ndarray, side: int) -> np.ndarray:
    canvas = np.zeros((side, side, 4), np.float64)
    canvas[: rgba.shape[0], : rgba.shape[1]] = rgba
    return canvas


def sheet(ask: Ask, wanted: list[Trial], out: Path) -> None:
    """The planted mark above, and what was found of it below, for each model; from what is kept."""
    tiles = []
    for trial in wanted:
        decoy = _known(ask)[0].build_decoy(str(trial.job.decoy))
        found = discovery_of(evidence_of(ask, trial)).named().values()
        local = [each for each in found if each.target == decoy.target and each.rgba is not None]
        if local and hasattr(decoy, "pictures"):
            true = decoy.pictures(max(1, round(decoy.size * local[0].side)))[0]
            tiles.append(np.concatenate([_tile(true), _tile(np.asarray(local[0].rgba))]))
    Image.fromarray(np.concatenate(tiles, axis=1)).save(out)


def _tile(rgba: np.ndarray) -> np.ndarray:
    """A mark on a grey square, as large as fits into 96 pixels."""
    times = 96 / max(rgba.shape[:2])
    shape = [max(1, round(times * length)) for length in rgba.shape[1::-1]]
    mark = Image.fromarray(rgba.astype(np.uint8)).resize(shape, Image.Resampling.NEAREST)
    square = Image.new("RGBA", (104, 104), (150, 150, 150, 255))
    square.alpha_composite(mark, ((104 - shape[0]) // 2, (104 - shape[1]) // 2))
    return np.array(square.convert("RGB"))


def _line(ask: Ask, trial: Trial) -> str:
    torch.set_num_threads(1)
    return json.dumps(measured(ask, trial))


def main() -> None:
    """Measures what is missing; prints a line for each model."""
    asked = argparse.ArgumentParser(description=__doc__)
    for name in ("scenario", "models", "out"):
        asked.add_argument(name, type=Path)
    asked.add_argument("--data", type=Path)
    asked.add_argument("--processes", type=int, default=2)
    asked.add_argument("--sheet", type=Path, help="a PNG of planted and found marks, and no more")
    asked.add_argument("--only", nargs="+", default=[], help="these models, in this order")
    given = asked.parse_args()
    ask = Ask(given.scenario, given.models, given.out.with_suffix(".evidence"), given.data)
    lines = given.out.read_text().splitlines() if given.out.is_file() else []
    done = {json.loads(line)["model"] for line in lines}
    wanted = [each for each in trials(_known(ask)[0]) if each.round == 0]
    if given.only:
        wanted = sorted(
            (each for each in wanted if each.job.name in given.only),
            key=lambda each: given.only.index(each.job.name),
        )
    if given.sheet:
        sheet(ask, [each for each in wanted if each.job.name in done], given.sheet)
        return
    left = [each for each in wanted if each.job.name not in done]
    for line in shared_out(partial(_line, ask), left, given.processes, "models"):
        with given.out.open("a") as out:
            out.write(line + "\n")
        print(line[:300], flush=True)


if __name__ == "__main__":
    main()
