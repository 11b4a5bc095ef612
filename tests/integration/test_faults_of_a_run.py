"""What goes wrong while a run goes on is one sentence, charged to its owner, and never a pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

FAULTY = """
import os
import torch
from planted import ColourNet


class Faulty(ColourNet):
    def forward(self, images):
        if os.environ["FAULT"] == "memory" and len(images) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        odd = (images.mean((1, 2, 3)) * 1e4).long() % 11 == 0
        if os.environ["FAULT"] == "raises" and odd.any():
            raise ValueError("such a picture\\nI do not like")
        if os.environ["FAULT"] == "dies":
            os.kill(os.getpid(), 9)
        return super().forward(images)


def net(classes):
    return Faulty(0.0, classes)
"""


@pytest.fixture
def faulty(repository, monkeypatch):
    """A function: a fault -> a repository whose planted model has it."""

    def make(fault, **sizes):
        made = repository(**sizes)
        (made.path / f"faulty_{fault}.py").write_text(FAULTY)
        manifest = made.path / "models/rashomon.yaml"
        line = f"file: F100-s0.safetensors, arch: 'faulty_{fault}:net',"
        manifest.write_text(manifest.read_text().replace("file: F100-s0.safetensors,", line))
        monkeypatch.setenv("FAULT", fault)
        monkeypatch.syspath_prepend(made.path)
        monkeypatch.setenv("PYTHONPATH", f"{made.path}{os.pathsep}{os.environ['PYTHONPATH']}")
        return made

    return make


def figures(made):
    """Everything that the last run's verdict says of its models, the times apart."""
    models = made.verdict()["models"]
    for model in models.values():
        del model["read_as"]
        for finding in model["findings"]:
            del finding["seconds"]
    return models


def test_a_model_that_raises_on_some_images_is_rejected_for_that_alone(faulty):
    made = faulty("raises", clean=2)
    result = made.audit()
    assert result.ret == 1
    assert made.verdicts() == {"F0-s0": "promote", "F0-s1": "promote", "F100-s0": "reject"}
    said = made.verdict()["models"]["F100-s0"]["sentence"]
    assert said.startswith("F100-s0: it fails on ")
    assert said.endswith(
        " of 180 images (ValueError: such a picture I do not like); mend it or drop it"
    )
    assert "Traceback" not in result.stdout.str()


def test_where_memory_runs_out_the_verdicts_and_figures_are_the_same(faulty, monkeypatch):
    made = faulty("memory", clean=2)
    made.audit("--audit-reports=reports")
    little = figures(made)
    monkeypatch.setenv("FAULT", "none")
    (made.path / "reports").rename(made.path / "before")
    made.audit()
    assert figures(made) == little
    assert little["F100-s0"]["verdict"] == "reject"


@pytest.mark.slow
def test_a_model_that_kills_every_worker_is_named_and_the_run_ends(faulty):
    """Two workers die shortly after one another: each asks the model how accurate it is."""
    made = faulty("dies", clean=2)
    result = made.audit("-n", "2")
    assert result.ret == made.verdict()["exit_code"] == 1
    assert made.verdict()["finished"] is True
    models = made.verdict()["models"]
    assert {name: model["verdict"] for name, model in models.items()} == dict.fromkeys(
        ("F0-s0", "F0-s1", "F100-s0"), "undecided"
    )
    assert all("was killed, for want of memory" in model["sentence"] for model in models.values())
    assert "INTERNALERROR" not in result.stdout.str()


def damaged(evidence):
    """Cuts a third of the entries, flips a bit in another third, and empties the rest."""
    for at, path in enumerate(sorted(evidence.rglob("*.safetensors"))):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes((content[: len(content) // 3], content, b"")[at % 3])


def test_damaged_evidence_is_computed_again_and_said(repository):
    made = repository(clean=2)
    made.audit()
    first = figures(made)
    damaged(made.path / "reports/evidence")
    result = made.audit()
    assert figures(made) == first
    said = "evidence in 'reports/evidence' was not what was kept there: it was computed again"
    assert made.verdict()["provenance"]["notes"] == [said]
    result.stdout.fnmatch_lines([said])


def test_a_clock_that_jumps_changes_nothing(repository):
    """Files and locks of 1970 and of 2038 are as good as any: no time decides what is read."""
    made = repository(clean=2)
    made.audit()
    first = figures(made)
    kept = sorted((made.path / "reports/evidence").rglob("*.safetensors"))
    kept[0].unlink()
    for at, path in enumerate(sorted(made.path.rglob("*"))):
        when = (0, 2**31 + 10**7)[at % 2]
        os.utime(path, (when, when))
    made.audit()
    assert figures(made) == first


@pytest.mark.slow
def test_a_run_that_is_stopped_before_its_first_finding_says_so_and_nothing_else(repository):
    made = repository(clean=1, planted=0)
    (made.path / "audits/test_a.py").write_text("def test_a(audit):\n    raise KeyboardInterrupt\n")
    result = made.pytester.runpytest_subprocess(
        "audits/test_a.py", "--models=models", "--audit-trust-code"
    )
    assert result.ret == made.verdict()["exit_code"] == pytest.ExitCode.INTERRUPTED
    assert made.verdict()["models"] == {}
    result.stdout.fnmatch_lines(["The run did not come to its end, so that nobody may be promoted"])
    result.stdout.no_fnmatch_line("*othing was audited*")


def test_where_no_verdict_can_be_written_none_is_shown(repository, monkeypatch):
    made = repository(clean=2, planted=0)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shortcut_audit.reporting.record.append", full)
    result = made.audit()
    assert result.ret == 3
    assert not (made.path / "reports/verdict.json").exists()
    assert "promote  " not in result.stdout.str()
    result.stdout.fnmatch_lines(["no verdict: cannot write *No space left*make room, or name *"])


@pytest.mark.slow
def test_two_runs_on_one_store_agree(repository):
    made = repository(clean=2)
    command = [sys.executable, "-m", "pytest", "audits", "--models=models", "--audit-trust-code"]
    (made.path / "shared").mkdir()
    jobs = []
    for folder in ("one", "other"):
        (made.path / folder).mkdir()
        (made.path / folder / "evidence").symlink_to(made.path / "shared")
        jobs.append(subprocess.Popen([*command, f"--audit-reports={folder}"], cwd=made.path))
    assert [job.wait(120) for job in jobs] == [1, 1]
    verdicts = [
        json.loads((made.path / folder / "verdict.json").read_text())["models"]
        for folder in ("one", "other")
    ]
    for model in (model for models in verdicts for model in models.values()):
        for finding in model["findings"]:
            del finding["seconds"]
    assert verdicts[0] == verdicts[1]
    assert len(list((made.path / "shared").rglob("*.tmp"))) == 0
