"""Which wrong decisions would the tests not notice? A random sample of mutants of the modules that
decide, each of them a copy of the tree with one operator, number or keyword changed.

It needs cosmic-ray beside this project, and is no part of `make test`: it takes 50 minutes.

    pip install cosmic-ray
    python ci/mutants.py --out mutants.jsonl [--seed 0] [--only judging] [--again mutants.jsonl]

The sample has one stratum for each module. Places in the code are drawn first and then one of the
mutants at the place, so that an operator with many replacements counts no more than a number. What
differs in annotations alone is never drawn: nothing reads those at run time. `--again` tries the
mutants of an earlier file that survived, with the tests as they are now.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

PARTS = ("shortcut_audit", "tests", "audits", "fixtures", "ci", "docs", "benchmarks")
FILES = ("pyproject.toml", "conftest.py")
PACKAGE = Path("shortcut_audit")


def files_of(folder: str, names: str) -> list[str]:
    """The test files of these names."""
    return [f"tests/{folder}/test_{name}.py" for name in names.split()]


# the quick ones first
JUDGING = "samples references verdicts power positive_control multiplicity trust page intervals"
INTEGRATION = "named_wrongly what_a_pass_is_worth known_answers run"
TESTS = {  # the tests that should notice; the first row that fits counts
    "judging/": files_of("judging", f"{JUDGING} competence innocence"),
    "harness/plan.py": ["tests/harness"],
    "harness/audit.py": ["tests/harness"],
    "promotion.py": ["tests/harness", "tests/reporting"],
    "files/store.py": ["tests/files/test_store.py"],
    "reporting/assembly.py": ["tests/reporting"],
    "harness/": ["tests/harness", *files_of("integration", INTEGRATION)],
}
MODULES = {  # module -> how many of its places are drawn
    "judging/advice.py": 8,
    "judging/comparison.py": 16,
    "judging/competence.py": 12,
    "judging/intervals.py": 12,
    "judging/multiplicity.py": 4,
    "judging/positive_control.py": 4,
    "judging/power.py": 8,
    "judging/references.py": 14,
    "judging/samples.py": 14,
    "judging/trust.py": 5,
    "judging/verdicts.py": 10,
    "harness/plan.py": 8,
    "harness/audit.py": 5,
    "promotion.py": 16,
    "files/store.py": 8,
    "reporting/assembly.py": 8,
    "harness/judge.py": 7,
    "harness/measurements.py": 5,
    "harness/questions.py": 6,
}
# seconds, of the quick tests and of whole runs: a mutant that makes them last longer is noticed
QUICK, WHOLE = 120, 600


def without_annotations(code: str) -> str:
    """What Python runs of it."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
    return ast.dump(tree)


def runs_otherwise(mutated: str, code: str) -> bool:
    """Whether a mutant is Python at all, and differs in more than annotations."""
    try:
        return without_annotations(mutated) != without_annotations(code)
    except SyntaxError:  # `if not found := ...`
        return False


def mutants(code: str) -> dict[tuple[Any, ...], list[tuple[str, int]]]:
    """Place -> the mutants there, each by its operator and the occurrence of that."""
    found = defaultdict(list)
    nodes = list(ast_nodes(get_ast(code)))
    for name in operator_names():
        if get_operator(name).arguments():
            continue
        operator = get_operator(name)()
        places = (place for node in nodes for place in operator.mutation_positions(node))
        for at, place in enumerate(places):
            found[place].append((name, at))
    return found


def drawn(code: str, many: int, rng: random.Random) -> Iterator[tuple[str, int, str]]:
    """So many mutants, each at another place: operator, occurrence and the mutated code."""
    there = mutants(code)
    for place in rng.sample(sorted(there), len(there)):
        if many == 0:
            return
        name, at = rng.choice(there[place])
        mutated = mutate_code(code, get_operator(name)(), at)
        if runs_otherwise(mutated, code):
            many -= 1
            yield name, at, mutated


def noticed(copy: Path, tests: list[str]) -> str:
    """What the tests say of the copy as it is: "survived", "killed" or "timeout"."""
    there = os.pathsep.join((str(copy), str(copy / "tests")))
    wait = WHOLE if "integration" in tests[-1] else QUICK
    asked = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=line", *tests]
    with subprocess.Popen(
        [sys.executable, *asked],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": there, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as run:
        try:
            return "killed" if run.wait(wait) else "survived"
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return "timeout"


def copied(folder: Path) -> Path:
    """The folder, with what the tests need of the tree."""
    for part in PARTS:
        shutil.copytree(part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        shutil.copy(file, folder / file)
    return folder


def tried(file: Path, mutated: str, copy: Path, tests: list[str]) -> dict[str, Any]:
    """What became of a mutant, in how many seconds, and what it differs in."""
    code, began = file.read_text(encoding="utf-8"), time.monotonic()
    file.write_text(mutated, encoding="utf-8")
    outcome = noticed(copy, tests)
    file.write_text(code, encoding="utf-8")
    lines = difflib.unified_diff(code.splitlines(), mutated.splitlines(), n=0, lineterm="")
    seconds = round(time.monotonic() - began)
    return {"outcome": outcome, "seconds": seconds, "diff": list(lines)[2:]}


def sample(args: argparse.Namespace) -> Iterator[tuple[str, str, int, str]]:
    """Module, operator, occurrence and code of each mutant that is to be tried."""
    if args.again:
        lines = Path(args.again).read_text(encoding="utf-8").splitlines()
        for row in (json.loads(line) for line in lines):
            if row["outcome"] == "survived" and args.only in row["module"]:
                code = (PACKAGE / row["module"]).read_text(encoding="utf-8")
                mutated = mutate_code(code, get_operator(row["operator"])(), row["at"])
                yield row["module"], row["operator"], row["at"], mutated
        return
    for module, many in MODULES.items():
        if args.only in module:
            code = (PACKAGE / module).read_text(encoding="utf-8")
            for each in drawn(code, many, random.Random(f"{args.seed} {module}")):
                yield module, *each


def main() -> int:
    """1 if a mutant survived."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="a line of JSON for each mutant")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--only", default="", help="modules whose path holds this")
    parser.add_argument("--again", help="an earlier file, of which survivors are tried again")
    args = parser.parse_args()
    survived, sound = 0, set()
    with tempfile.TemporaryDirectory() as folder, Path(args.out).open("w", encoding="utf-8") as out:
        copy = copied(Path(folder))
        for module, operator, at, mutated in sample(args):
            tests = next(tests for start, tests in TESTS.items() if module.startswith(start))
            if str(tests) not in sound and noticed(copy, tests) != "survived":
                sys.exit(f"without any mutant these do not pass: {' '.join(tests)}")
            sound.add(str(tests))
            row = {"module": module, "operator": operator, "at": at}
            row |= tried(copy / PACKAGE / module, mutated, copy, tests)
            survived += row["outcome"] == "survived"
            print(json.dumps(row), file=out, flush=True)
    print(f"{survived} mutants survived: {args.out}")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
