"""How often do the demo's known answers come true? Trains and audits it from scratch, N times, from
other seeds.

    python benchmarks/demo_answers.py --sets 20 --out DIR

Every other set is trained with two threads: weights depend on the threads, and verdicts must not.
Only the audits that block are run, for they alone decide. What is in DIR already is kept.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from shortcut_audit.files.yaml_files import read_mapping

DEMO, ANSWERS = Path("fixtures/demo.yaml"), Path("fixtures/demo_answers.yaml")
APART = 100  # between the seeds of two sets


def shifted(content: dict, by: int) -> dict:
    """The same scenario with every seed moved."""
    for group in content["training"]["models"]:
        seeds = group.get("seeds", 0)
        group["seeds"] = [seed + by for seed in (seeds if isinstance(seeds, list) else [seeds])]
    return content


def expected(by: int) -> dict[str, list[str]]:
    """The known answers, under the names that models of other seeds get."""
    answers = read_mapping(ANSWERS, f"'{ANSWERS}'", "a key for each model")
    moved = {}
    for name, verdicts in answers.items():
        kind, _, seed = name.rpartition("-s")
        moved[f"{kind}-s{int(seed) + by}"] = verdicts
    return moved


def ran(arguments: list[str], threads: int, log: Path) -> int:
    """The exit code; what the command said is in the log."""
    with log.open("a", encoding="utf-8") as file:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        return subprocess.run(
            arguments, stdout=file, stderr=file, env=environment, check=False
        ).returncode


def audited(number: int, out: Path, train_only: bool) -> dict | None:
    """The verdicts of one set, trained and audited where they are not there yet."""
    folder, threads = out / f"set-{number}", 1 + number % 2
    folder.mkdir(parents=True, exist_ok=True)
    scenario, reports, log = folder / "demo.yaml", folder / "reports", folder / "log.txt"
    moved = shifted(read_mapping(DEMO, f"'{DEMO}'", "the key 'training'"), APART * number)
    scenario.write_text(yaml.safe_dump(moved, sort_keys=False), encoding="utf-8")
    if ran(
        ["shortcut-audit", "train", str(scenario), "--out", str(folder / "models")], threads, log
    ):
        sys.exit(f"set {number} could not be trained: see {log}")
    if train_only:
        return None
    named = [
        "--models",
        str(folder / "models"),
        "--scenario",
        str(scenario),
        "--audit-reports",
        str(reports),
    ]
    files = [f"audits/test_{audit}.py" for audit in moved["blocking"]]
    ran(["pytest", *files, *named, "-n", str(threads), "-p", "no:cacheprovider"], threads, log)
    if not (reports / "verdict.json").is_file():
        sys.exit(f"set {number} could not be audited: see {log}")
    return json.loads((reports / "verdict.json").read_text(encoding="utf-8"))


def wrong(document: dict, answers: dict[str, list[str]]) -> Iterator[str]:
    """One sentence for each model that got another verdict than it should."""
    for name, verdicts in answers.items():
        model = document["models"].get(name, {})
        if model.get("verdict") not in verdicts:
            found = f"{model.get('verdict', 'nothing')}: {model.get('sentence', '')}"
            yield f"{name}: expected {' or '.join(verdicts)}, found {found}"


def main() -> int:
    """0 if all known answers came true in every set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=20)
    parser.add_argument(
        "--first",
        type=int,
        default=1,
        help="number of the first set; set 0 has the demo's own seeds",
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train-only", action="store_true", help="audit nothing yet")
    asked = parser.parse_args()
    true, verdicts = 0, Counter()
    for number in range(asked.first, asked.first + asked.sets):
        document = audited(number, asked.out, asked.train_only)
        if document is None:
            continue  # nothing was audited
        found = list(wrong(document, expected(APART * number)))
        true += not found
        for name, model in document["models"].items():
            verdicts[name.rpartition("-s")[0], model["verdict"]] += 1
        print(
            f"set {number} ({1 + number % 2} threads): {'; '.join(found) or 'all known answers true'}",
            flush=True,
        )
    if asked.train_only:
        return 0
    print(f"All known answers came true in {true} of {asked.sets} sets.")
    for (kind, verdict), count in sorted(verdicts.items()):
        print(f"{kind}: {verdict} {count}")
    return 0 if true == asked.sets else 1


if __name__ == "__main__":
    sys.exit(main())
