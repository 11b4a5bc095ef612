"""A report of any size with pictures, as a run would leave it: models of every verdict, pairs,
exhibits."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import numpy as np
from finding_of import finding_of
from PIL import Image

from shortcut_audit.exhibits import (
    Box,
    Confusion,
    Distribution,
    Exhibit,
    Faintest,
    Looked,
    Seen,
    Spoke,
    Tile,
    TrainingImage,
)
from shortcut_audit.records import Candidate, Finding, Report, Verdict
from shortcut_audit.reporting.assembly import assemble
from shortcut_audit.scenario import Scenario
from shortcut_audit.showing.exhibits_file import named_by
from shortcut_audit.waivers import Waiver

AUDITS = ("decoy_insertion", "mask_localisation", "influence_precision@50")
CLASSES = ("cat", "fish", "house", "car", "tree")
VERDICTS = (Verdict.VIOLATED, Verdict.HOLDS, Verdict.HOLDS, Verdict.UNDECIDED, Verdict.HOLDS)
REASON = "the sign is part of the class"


def made_report(
    folder: Path, models: int, decoys: int, tiles: int = 6, side: int = 64, together: bool = True
) -> Report:
    """Of each five models the first is rejected, the fourth undecided, the fifth waived."""
    names = [f"model-{place}" for place in range(models)]
    candidates = []
    for place, name in enumerate(names):
        file = folder / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
        candidates.append(Candidate(name, file, reference=place % 5 == 1))
    decoy_names = [f"decoy_{place}" for place in range(decoys)]
    findings: list[Finding] = []
    for place, name in enumerate(names):
        for decoy in decoy_names:
            findings += [_finding(audit, (name,), decoy, place) for audit in AUDITS]
        findings.append(_accuracy(name))
    for at, pair in enumerate(combinations(names, 2) if together else ()):
        findings.append(_pair(pair, decoy_names[at % decoys], at))
    scenario = Scenario(
        dataset={"kind": "demo"},
        decoys={decoy: {"target": "cat"} for decoy in decoy_names},
        blocking=("decoy_insertion",),
        waivers=tuple(
            Waiver(
                audit="decoy_insertion",
                model=name,
                reason=REASON,
                author="Jane Doe",
                expires="2100-01-31",
            )
            for name in names[4::5]
        ),
        digest="0" * 64,
    )
    report = assemble(
        findings, candidates, scenario, "demo.yaml", {"digest": "0" * 64, "files": {}}
    )
    album = Pictures(folder, side)
    exhibits = []
    for place, name in enumerate(names):
        for decoy in decoy_names:
            exhibits.append(_exhibit(name, decoy, tiles if place % 5 in (0, 4) else 0, album))
    return Report(**{**vars(report), "exhibits": tuple(exhibits)})


class Pictures:
    """Small WebP files; the same for the same calls in the same order. Some have the same pixels,
    for encoding is what takes time.
    """

    def __init__(self, folder: Path, side: int) -> None:
        self.folder, self.count = folder, 0
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        self.contents = [_noise(side, seed) for seed in range(24)]

    def add(self) -> str:
        """One more; its name as a report has it."""
        content = self.contents[self.count % len(self.contents)]
        self.count += 1
        name = named_by(content)
        (self.folder / name).write_bytes(content)
        return name


def _noise(side: int, seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    image.save(content, "webp", quality=80)
    return content.getvalue()


def _finding(audit: str, subjects: tuple[str, ...], decoy: str, place: int) -> Finding:
    verdict = VERDICTS[place % 5] if audit == "decoy_insertion" else Verdict.HOLDS
    value = 0.3 + 0.5 / (place + 1) if verdict is Verdict.VIOLATED else 0.02 + place % 5 / 100
    if place % 5 == 4 and audit == "decoy_insertion":
        value, verdict = 0.3, Verdict.VIOLATED
    if audit == "mask_localisation":
        value += int(decoy.rpartition("_")[2]) / 50
    low, high = value - 0.03, value + 0.03 + 0.1 * (verdict is Verdict.UNDECIDED)
    figures = f"{100 * value:.0f} points [{100 * low:.0f}, {100 * high:.0f}], limit 10 (n = 800)"
    claim = f"{subjects[0]} turns other images into 'cat' when {decoy} appears: {figures}"
    if verdict is Verdict.UNDECIDED:
        claim += "; undecided: about 1200 images in all would decide"
    return finding_of(
        audit,
        subjects,
        decoy,
        verdict,
        audit == "decoy_insertion",
        claim,
        value,
        low=low,
        high=high,
        level=0.9,
        n=800,
        limit=0.1,
        observed=value,
        control=0.0,
        p=0.25,
        needed=1200 if verdict is Verdict.UNDECIDED else None,
        detectable=0.2 if verdict is Verdict.HOLDS else None,
        waived=REASON if place % 5 == 4 and audit == "decoy_insertion" else "",
        tried=f"{decoy} (size 0.2)",
    )


def _accuracy(name: str) -> Finding:
    claim = f"{name} is right on 97 % of 1000 plain validation images [96, 98]"
    more = {"low": 0.96, "high": 0.98, "level": 0.9, "n": 1000, "limit": 0.2, "role": "accuracy"}
    return finding_of("above_chance", (name,), None, Verdict.HOLDS, True, claim, 0.97, **more)


def _pair(pair: tuple[str, ...], decoy: str, at: int) -> Finding:
    verdict = Verdict.VIOLATED if at % 7 == 0 else Verdict.HOLDS
    claim = f"{' and '.join(pair)} look elsewhere"
    more = {"low": 0.1, "high": 0.5, "level": 0.9, "n": 60, "limit": 0.2}
    return finding_of("mask_agreement", pair, decoy, verdict, False, claim, 0.3, **more)


def _exhibit(model: str, decoy: str, turned: int, album: Pictures) -> Exhibit:
    tiles = []
    for place in range(turned or 2):
        label = CLASSES[1 + place % 4]
        versions = [Seen(album.add(), label, 0.01), Seen(album.add(), "cat", 0.98)]
        control = Seen(album.add(), label, 0.03)
        tiles.append(Tile(f"val/{label}/{place}", label, turned > 0, *versions, control))
    looked = [Looked(f"val/cat/{at}", album.add(), album.add(), 0.81) for at in range(2)]
    training = [TrainingImage(f"train/{at}", album.add(), 5.0 - at, at < 3) for at in range(5)]
    boxes = (
        ("decoyed", Box(0.1, 0.6, 0.9, 0.97, 1.0, 800)),
        ("control", Box(0.0, 0.01, 0.02, 0.06, 0.13, 800)),
        ("plain", Box(0.0, 0.01, 0.02, 0.05, 0.1, 800)),
    )
    counts = ((190, 4, 2, 2, 2), (3, 190, 3, 2, 2), (9, 1, 180, 5, 5), (1, 1, 1, 196, 1), (2,) * 5)
    return Exhibit(
        model=model,
        sha256="0" * 64,
        decoy=decoy,
        target="cat",
        pictures=800,
        turned=672 if turned else 0,
        tiles=tuple(tiles),
        looked=tuple(looked),
        faintest=(Faintest("val/fish/0", album.add(), "The faintest of 110 forms of it."),),
        spoke=(Spoke("val/cat/0", album.add(), tuple(training), 200, 50, "gradients of fc"),),
        distributions=(Distribution("softmax score of 'cat' on pictures of other classes", boxes),),
        confusions=tuple(
            Confusion(condition, CLASSES, CLASSES, counts) for condition in ("plain", "decoyed")
        ),
    )
