"""docs/shards.md, run: its job script under a `sbatch` that runs what it is given at once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from planted import write_models, write_scenario

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/shards.md").read_text(encoding="utf-8")
SBATCH = f"""#!{sys.executable}
import os, re, subprocess, sys

*options, last = sys.argv[1:]
if last.startswith("--wrap="):
    sys.exit(subprocess.run(["bash", "-c", last.removeprefix("--wrap=")]).returncode)
first, end = map(int, re.search("#SBATCH --array=([0-9]+)-([0-9]+)", open(last).read()).groups())
array = {{"MIN": first, "MAX": end, "COUNT": end - first + 1}}
for task in range(first, end + 1):
    said = {{f"SLURM_ARRAY_TASK_{{name}}": str(value) for name, value in array.items()}}
    environment = os.environ | said | {{"SLURM_ARRAY_TASK_ID": str(task)}}
    with open("tasks.txt", "a") as out:
        subprocess.run(["bash", last], env=environment, stdout=out, stderr=out)
print(7)
"""
CONFTEST = "import planted\n"
# what docs/shards.md says of registrations of one's own, for the squares of the tests
SCRIPT = f"""#!{sys.executable}
import sys

import planted
from shortcut_audit.cli import main

sys.exit(main())
"""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.mark.slow
def test_the_array_and_the_merge_behind_it(tmp_path):
    job, sent = blocks("bash")
    write_models(tmp_path / "checkpoints", clean=2, planted=1)
    write_scenario(tmp_path / "scenario.yaml")
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\naudit_trust_code = true\n")
    (tmp_path / "audits").mkdir()
    for name in ("decoy_insertion", "rashomon_membership"):
        text = (ROOT / f"audits/test_{name}.py").read_text()
        (tmp_path / f"audits/test_{name}.py").write_text(text)
    (tmp_path / "audit.sbatch").write_text(job)
    programs = {
        "sbatch": SBATCH,
        "shortcut-audit": SCRIPT,
        "pytest": f"#!{sys.executable}\nimport sys, pytest\nsys.exit(pytest.main())\n",
    }
    for name, text in programs.items():
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    modules = os.pathsep.join([str(ROOT / "tests"), str(ROOT)])
    environment = os.environ | {"PATH": path, "PYTHONPATH": modules}
    ended = subprocess.run(["bash", "-c", sent], cwd=tmp_path, env=environment, capture_output=True)
    tasks = (tmp_path / "tasks.txt").read_text()
    assert ended.returncode == 1, tasks + ended.stderr.decode()  # the planted one
    document = json.loads((tmp_path / "reports/verdict.json").read_text())
    words = {name: model["verdict"] for name, model in document["models"].items()}
    assert words == {"F0-s0": "promote", "F0-s1": "promote", "F100-s0": "reject"}
    assert document["provenance"]["shards"] == 3
    assert tasks.count("nobody is promoted before `shortcut-audit merge reports`") == 3


def test_what_the_page_says_a_shard_and_a_refusal_are_called():
    from shortcut_audit.harness.course.part import NAME
    from shortcut_audit.harness.course.shards import FOLDER, Shard

    assert str(Shard(2, 3).folder(Path("reports"))) == "reports/shards/2-of-3"
    assert f"`{NAME}`" in PAGE
    assert f"reports/{FOLDER}/*" in PAGE
