"""An audit that is killed (SIGKILL) again and again comes to the verdicts of an undisturbed one."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "benchmarks/killed.py"
SPEC = importlib.util.spec_from_file_location("killed", FILE)
assert SPEC is not None
assert SPEC.loader is not None
killed = importlib.util.module_from_spec(SPEC)
sys.modules["killed"] = killed  # where its dataclass looks its types up
SPEC.loader.exec_module(killed)


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_computed_twice(repository, monkeypatch):
    monkeypatch.setattr(killed, "SECOND", 0.3)  # of work: tiny models have little
    made = repository(clean=2)
    command = [sys.executable, "-m", "pytest", "audits", "--models=models", "--audit-trust-code"]

    def start(reports):
        return subprocess.Popen(
            [*command, f"--audit-reports={reports}"], cwd=made.path, start_new_session=True
        )

    code = start("plain").wait()
    found = killed.kill_until_done(lambda: start("killed"), made.path / "killed/evidence")
    assert found.code == code == 1
    assert found.kills >= 2
    assert not found.twice
    verdicts = [made.path / folder / "verdict.json" for folder in ("plain", "killed")]
    assert killed.differences(*verdicts) == []
    text = verdicts[1].read_text()
    verdicts[1].write_text(text.replace('"reject"', '"promote"'))
    assert killed.differences(*verdicts), "and another verdict would have been seen"
