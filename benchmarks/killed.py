"""A demo audit that is killed (SIGKILL) again and again until it completes: the same verdicts as an
undisturbed one? python benchmarks/killed.py --models DIR --scenario FILE -- -m decides

A start takes longer than a second, for it imports torch and reads what is kept. So the second is
counted from where the run begins to compute something that is not kept yet (its lock appears). What
takes longer than a second could then never be finished: where a kill cost all of its second, the
next one comes twice as late, until something new is kept; then it is a second again.

Each kind of evidence is one file, which counts as computed twice where a later start wrote it anew.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SECOND = 1.0
POLL = 0.02  # seconds
UNLIKE = {"seconds"}  # of a finding: what may differ between two runs


@dataclass
class Killed:
    """What a run that was killed again and again did."""

    kills: int = 0
    longest: float = SECOND  # seconds of work that a kill left
    twice: list[str] = field(default_factory=list)  # evidence that a later start wrote anew
    code: int = -1  # of the start that completed


def main() -> None:
    asked = _asked()
    folder = asked.out or Path(tempfile.mkdtemp(prefix="killed-"))
    plain, killed = folder / "undisturbed", folder / "killed"
    began = time.monotonic()
    code = _start(asked, plain).wait()
    took = time.monotonic() - began
    began = time.monotonic()
    found = kill_until_done(lambda: _start(asked, killed), killed / "evidence")
    print(f"undisturbed: {took:.0f} s, exit code {code}, {len(_kept(plain / 'evidence'))} entries")
    again = time.monotonic() - began
    entries = len(_kept(killed / "evidence"))
    print(f"killed {found.kills} times in {again:.0f} s, exit code {found.code}, {entries} entries")
    print(f"the longest time of work that a kill left: {found.longest:.0f} s")
    print(f"computed twice: {', '.join(found.twice) or 'none'}")
    unlike = differences(plain / "verdict.json", killed / "verdict.json")
    print("verdicts and every figure: " + ("; ".join(unlike) or "the same"))
    sys.exit(1 if unlike or found.twice or found.code != code else 0)


def kill_until_done(start: Any, evidence: Path) -> Killed:
    """Starts again and again, and kills each a second after it began to compute.

    Args:
        start: starts the audit in a process group of its own and returns the process.
        evidence: the folder of the store.
    """
    found, seen, patience = Killed(), _kept(evidence), SECOND
    while True:
        ended = _killed(start(), evidence, patience)
        now = _kept(evidence)
        found.twice += [name for name, state in seen.items() if now.get(name) != state]
        if ended is not None:
            found.code = ended
            return found
        found.kills += 1
        patience = SECOND if now.keys() - seen.keys() else 2 * patience
        found.longest, seen = max(found.longest, patience), now


def _killed(job: subprocess.Popen[bytes], evidence: Path, patience: float) -> int | None:
    """None where it was killed; the exit code of one that came to its end before."""
    before, deadline = _locks(evidence), None
    while job.poll() is None:
        if deadline is None and _locks(evidence) != before:
            deadline = time.monotonic() + patience
        if deadline is not None and time.monotonic() > deadline:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()
            return None
        time.sleep(POLL)
    return job.returncode


def _locks(evidence: Path) -> dict[str, int]:
    """Which entries anybody began to compute, and when the lock was last taken."""
    return {str(path): path.stat().st_mtime_ns for path in evidence.rglob("*.lock")}


def _kept(evidence: Path) -> dict[str, tuple[int, int]]:
    """Each entry that is kept, with numbers that change where it is written anew."""
    found = {}
    for path in evidence.rglob("*.safetensors"):
        state = path.stat()
        found[str(path.relative_to(evidence))] = (state.st_ino, state.st_mtime_ns)
    return found


def differences(one: Path, other: Path) -> list[str]:
    """What two verdict files say otherwise of models, pairs and their figures; the times apart."""
    left, right = (_figures(json.loads(path.read_text())) for path in (one, other))
    return [
        f"{name}: {left.get(name)} and {right.get(name)}"
        for name in sorted(left.keys() | right.keys())
        if left.get(name) != right.get(name)
    ]


def _figures(verdict: dict[str, Any]) -> dict[str, Any]:
    """Place in the file -> value."""
    found: dict[str, Any] = {"exit_code": verdict["exit_code"], "finished": verdict["finished"]}
    for name, model in verdict["models"].items():
        found[name] = (model["verdict"], model["sentence"], model["sha256"])
        found |= _flat(name, model["findings"])
    return found | _flat("pairs", verdict["pairs"])


def _flat(name: str, findings: list[dict[str, Any]]) -> dict[str, Any]:
    found = {}
    for at, finding in enumerate(findings):
        for key in finding.keys() - UNLIKE:
            found[f"{name} {at} {key}"] = finding[key]
    return found


def _start(asked: argparse.Namespace, reports: Path) -> subprocess.Popen[bytes]:
    reports.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", str(asked.audits), f"--models={asked.models}"]
    command += [f"--scenario={asked.scenario}", f"--audit-reports={reports}"]
    with (reports.parent / f"{reports.name}.txt").open("ab") as said:
        return subprocess.Popen(
            [*command, "-p", "no:cacheprovider", "-c", os.devnull, *asked.more],
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--scenario", type=Path, default=ROOT / "fixtures/demo.yaml")
    parser.add_argument("--audits", type=Path, default=ROOT / "audits")
    parser.add_argument("--out", type=Path, help="a new folder (default: a temporary one)")
    parser.add_argument("more", nargs="*", help="for pytest, such as -m decides, behind --")
    return parser.parse_args()


if __name__ == "__main__":
    main()
