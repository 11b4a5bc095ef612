"""What people's files become: copied half, edited by hand, broken on purpose. python benchmarks/fuzz.py

Good files are mutated: bits flipped, cut, spliced, repeated, numbers made huge, brackets nested,
words swapped, odd Unicode put in. Each goes through what an audit calls: the folder of models and
the loading of each, the scenario and whatever it names, the data set and its pictures. What comes
out must be a result or one of our errors, in time, within memory. A checkpoint that loads must have
the very weights that its file holds, all of them finite.

Input `i` of a kind is made from (kind, i) alone: `--kind pt --only 17` makes one again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from shortcut_audit import registry
from shortcut_audit.errors import ShortcutAuditError
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.loading.networks import build_architecture
from shortcut_audit.subjects.loading.subject import load_subject, save_checkpoint
from shortcut_audit.subjects.manifest.candidates import read_candidates
from shortcut_audit.subjects.pictures.material import Material

ROOT = Path(__file__).parents[1]
LONGEST, LARGEST = 10, 2 << 30  # seconds and bytes beyond the first that an input may take
SIZE, CLASSES = 32, ("cat", "fish", "house", "car", "tree")
ARCH = "shortcut_audit:small_resnet"
SCENARIOS = ("demo", "calibration", "discover", "discover_shared", "diversified")
ODD = [
    "\u202e",
    "\ufeff",
    "e\u0301",
    "\x00",
    "\U0001f469\u200d\U0001f52c",
    "ß",
    "\u2028",
    "\udce9",
    "𝟙",
]
HUGE = [
    "1e308",
    "-1",
    "0",
    "99999999999999999999",
    ".nan",
    "1e-320",
    "0x10",
    "-.inf",
    "1_000",
    "007",
]


class HangError(BaseException):
    """An input took longer than LONGEST."""


@dataclass
class Tally:
    """Outcomes of one kind of input, and every one that must not be."""

    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0


# ---- mutations of bytes, and of text ----


def mutated(good: bytes, rng: random.Random, text: bool) -> bytes:
    """One to four mutations of a good file."""
    ways = [*BINARY, *(TEXT * 3 if text else [])]
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        good = rng.choice(ways)(good, rng)
    return good


def _place(content: bytes, rng: random.Random) -> int:
    """Half of the time near the beginning or the end, where headers and directories are."""
    near = min(len(content), 3000)
    at = rng.choice([rng.randrange(near + 1), len(content) - rng.randrange(near + 1)])
    return rng.choice([at, rng.randrange(len(content) + 1)])


def _flip(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 8])):
        if changed:
            changed[min(_place(content, rng), len(changed) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: _place(content, rng)]


def _drop(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + rng.choice([1, 8, 100]) :]


def _splice(content: bytes, rng: random.Random) -> bytes:
    at, other, length = _place(content, rng), _place(content, rng), rng.choice([1, 8, 64, 5000])
    return content[:at] + content[other : other + length] + content[at + rng.choice([0, length]) :]


def _noise(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + rng.randbytes(rng.choice([1, 4, 200])) + content[at:]


def _ones(content: bytes, rng: random.Random) -> bytes:
    at, length = _place(content, rng), rng.choice([1, 4, 8])
    return content[:at] + rng.choice([b"\xff", b"\x00", b"\x7f"]) * length + content[at + length :]


def _words(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _value(content: bytes, rng: random.Random) -> bytes:
    """Another value behind a colon or a comma: a huge number, odd text, a deep nest, nothing."""
    ends = [at + 1 for at, byte in enumerate(content) if byte in b":,"]
    if not ends:
        return content
    at = rng.choice(ends)
    end = min(
        (each for each in (content.find(mark, at) for mark in (b"\n", b",", b"}")) if each > 0),
        default=at,
    )
    new = rng.choice(
        [
            *HUGE,
            *ODD,
            "[" * 3000,
            "{a: " * 400,
            "[]",
            "{}",
            "yes",
            "''",
            "&a [*a]",
            "!!python/name:os.system",
            "a" * 70000,
            "../../../etc/passwd",
            "/dev/zero",
            "\n  - ",
        ]
    )
    return content[:at] + b" " + new.encode("utf-8", "surrogatepass") + content[end:]


def _odd(content: bytes, rng: random.Random) -> bytes:
    at = _place(content, rng)
    return content[:at] + rng.choice(ODD).encode("utf-8", "surrogatepass") + content[at:]


BINARY = [_flip, _cut, _drop, _splice, _noise, _ones]
TEXT = [_words, _value, _odd]

# ---- good files ----


@cache
def _network() -> Any:
    torch.manual_seed(0)
    return build_architecture(ARCH, len(CLASSES))


@cache
def _checkpoint(suffix: str) -> bytes:
    from shortcut_audit.records import Candidate

    with tempfile.TemporaryDirectory() as folder:
        made = Candidate("F0", Path(folder) / f"F0{suffix}", ARCH, CLASSES, SIZE)
        save_checkpoint(made, _network())
        return made.file.read_bytes()


def _manifest(suffix: str) -> bytes:
    return (
        f"arch: {ARCH}\nclasses: [{', '.join(CLASSES)}]\n"
        f"input: {{size: {SIZE}, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}}\n"
        f"models:\n  F0: {{file: F0{suffix}, reference: true}}\nignore: [notes.txt]\n"
    ).encode()


@cache
def _picture(form: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form)
    return file.getvalue()


# ---- what an audit calls ----


def _models(folder: Path, suffix: str, content: bytes, manifest: bytes) -> None:
    file = folder / f"F0{suffix}"
    file.write_bytes(content)
    (folder / "rashomon.yaml").write_bytes(manifest)
    errors: list[ShortcutAuditError] = []
    for candidate in read_candidates(folder):
        try:
            subject = load_subject(candidate, CLASSES)
        except ShortcutAuditError as error:
            errors.append(error)
            continue
        _same_weights(file, subject.network.model.state_dict())
    if errors:
        raise errors[0]


def _same_weights(file: Path, loaded: dict[str, Any]) -> None:
    """Raises AssertionError where a model was loaded that is not what its file holds."""
    held = (
        load_file(file)
        if file.suffix == ".safetensors"
        else torch.load(file, "cpu", weights_only=True)
    )
    for name, tensor in loaded.items():
        assert torch.isfinite(tensor).all(), f"{name} is not finite"
        assert name in held, f"{name} is not in the file"
        assert torch.equal(held[name].to(tensor.dtype), tensor), f"{name} is not the file's"


def pt(folder: Path, rng: random.Random) -> None:
    """A state dict of torch.save."""
    _models(folder, ".pt", mutated(_checkpoint(".pt"), rng, False), _manifest(".pt"))


def safetensors(folder: Path, rng: random.Random) -> None:
    """A safetensors file, whose header is text."""
    good, suffix = _checkpoint(".safetensors"), ".safetensors"
    if rng.random() < 0.5:
        _models(folder, suffix, mutated(good, rng, False), _manifest(suffix))
        return
    end = 8 + int.from_bytes(good[:8], "little")
    header = mutated(good[8:end], rng, True)
    content = len(header).to_bytes(8, "little") + header + good[end:]
    _models(folder, suffix, content, _manifest(suffix))


def manifest(folder: Path, rng: random.Random) -> None:
    """rashomon.yaml beside a good checkpoint."""
    suffix = rng.choice([".pt", ".safetensors"])
    _models(folder, suffix, _checkpoint(suffix), mutated(_manifest(suffix), rng, True))


def scenario(folder: Path, rng: random.Random) -> None:
    """A scenario, and whatever it names is built."""
    good = (ROOT / "fixtures" / f"{rng.choice(SCENARIOS)}.yaml").read_bytes()
    (folder / "mine.yaml").write_bytes(mutated(good, rng, True))
    read = load_scenario(folder / "mine.yaml")
    registry.build("explainer", read.masks.explainer, read.masks.options)
    registry.build("influence", read.influence.method, read.influence.options)
    material = Material(read)
    material.check(read.decoys)
    material.try_decoys(read.decoys, SIZE)


FORMS = {"JPEG": "jpg", "PNG": "png", "TIFF": "tif", "GIF": "gif", "BMP": "bmp", "WEBP": "webp"}


def pictures(folder: Path, rng: random.Random) -> None:
    """A folder of pictures, of which one is mutated."""
    for at, name in enumerate(CLASSES):
        (folder / name).mkdir()
        whole = np.full((40, 40, 3), 40 * at, np.uint8)
        Image.fromarray(whole).save(folder / name / "whole.png")
    form, suffix = rng.choice(sorted(FORMS.items()))
    (folder / "cat" / f"odd.{suffix}").write_bytes(mutated(_picture(form), rng, False))
    found = registry.build("dataset", "image_folder", {"validation": folder, "workers": 1})
    assert len(found.load("validation", SIZE).labels) >= len(CLASSES), "a good picture was lost"


def table(folder: Path, rng: random.Random) -> None:
    """A CSV table of pictures."""
    lines = ["path,label,split,patient,shown"]
    for at in range(12):
        shade = np.full((40, 40, 3), 20 * at, np.uint8)
        Image.fromarray(shade).save(folder / f"{at}.png")
        lines.append(f"{at}.png,{CLASSES[at % 3]},{('train', 'validation')[at > 3]},p{at},{at % 2}")
    content = mutated("\n".join(lines).encode(), rng, True)
    (folder / "table.csv").write_bytes(content)
    options = {"file": folder / "table.csv", "group": "patient"}
    registry.build("dataset", "table", options).load("validation", SIZE)


def session(folder: Path, rng: random.Random) -> None:
    """A whole run of pytest on a model that nobody trained: whatever is mutated, it is no pass."""
    suffix = rng.choice([".pt", ".safetensors"])
    good = {
        f"models/F0{suffix}": _checkpoint(suffix),
        "models/rashomon.yaml": _manifest(suffix),
        "mine.yaml": QUICK,
    }
    odd = rng.choice(sorted(good))
    (folder / "models").mkdir()
    for name, content in good.items():
        text = name.endswith(".yaml")
        (folder / name).write_bytes(mutated(content, rng, text) if name == odd else content)
    command = [sys.executable, "-m", "pytest", str(ROOT / "audits/test_decoy_insertion.py")]
    command += [
        "--models=models",
        "--scenario=mine.yaml",
        "-c",
        os.devnull,
        "-p",
        "no:cacheprovider",
    ]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace")
    said = ran.stdout + ran.stderr
    assert ran.returncode in (1, 4), f"exit code {ran.returncode}: {said[-300:]}"
    assert "Traceback" not in said, said[-300:]
    assert "INTERNALERROR" not in said, said[-300:]
    verdict = folder / "reports/verdict.json"
    models = json.loads(verdict.read_text())["models"] if verdict.is_file() else {}
    assert not [name for name, each in models.items() if each["verdict"] in ("promote", "waived")]


QUICK = b"""dataset: {kind: demo, validation: 6}
decoys:
  stop_sign: {kind: stop_sign, target: cat, size: 0.3}
blocking: [decoy_insertion]
"""
SLOW = {"session": 120}  # seconds that an input of this kind may take

KINDS: dict[str, tuple[Callable[[Path, random.Random], None], int]] = {
    "pt": (pt, 2500),
    "safetensors": (safetensors, 2500),
    "manifest": (manifest, 1600),
    "scenario": (scenario, 1600),
    "pictures": (pictures, 1400),
    "table": (table, 900),
    "session": (session, 24),
}

# ---- one input, and many ----


def outcome(kind: str, number: int) -> tuple[str, str]:
    """What became of one input: `fine`, the kind of our error, or `wrong`; and the words of it."""
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            KINDS[kind][0](Path(folder), random.Random(f"{kind} {number}"))
    except ShortcutAuditError as error:
        return type(error).__name__, str(error)
    except HangError:
        return "wrong", "it took too long"
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    return "fine", ""


def tally(kind: str, numbers: range) -> Tally:
    """The outcomes of these inputs."""
    found, before, limit = Tally(), _memory(), SLOW.get(kind, LONGEST)
    for number in numbers:
        began = time.monotonic()
        signal.alarm(limit)
        try:
            what, words = outcome(kind, number)
        finally:
            signal.alarm(0)
        took = time.monotonic() - began
        found.slowest = max(found.slowest, took)
        if took > limit:
            what, words = "wrong", f"it took {took:.0f} s"
        if _memory() - before > LARGEST:
            what, words, before = "wrong", "it took more memory than it may", _memory()
        found.outcomes[what] += 1
        if what == "wrong":
            found.wrong.append(f"--kind {kind} --only {number}: {' '.join(words.split())[:300]}")
    return found


def _memory() -> int:
    """The most bytes that this process ever had in memory."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _hangs(*_: object) -> None:
    raise HangError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=KINDS, action="append")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--count", type=int, help="inputs of each kind (default: its own number)")
    parser.add_argument("--only", type=int, help="one input, with its error")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    signal.signal(signal.SIGALRM, _hangs)
    bad = 0
    for kind in asked.kind or KINDS:
        if asked.only is not None:
            print(*outcome(kind, asked.only))
            continue
        count = asked.count or KINDS[kind][1]
        found = tally(kind, range(asked.first, asked.first + count))
        bad += len(found.wrong)
        about = {"kind": kind, "from": asked.first, "inputs": count, **sorted_counts(found)}
        print(json.dumps(about), *found.wrong, sep="\n", flush=True)
    sys.exit(1 if bad else 0)


def sorted_counts(found: Tally) -> dict[str, Any]:
    """The counts, the slowest input's seconds and the most memory."""
    counts: dict[str, Any] = dict(sorted(found.outcomes.items()))
    return {**counts, "slowest_s": round(found.slowest, 1), "memory_mib": _memory() >> 20}


if __name__ == "__main__":
    main()
