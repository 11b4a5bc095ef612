"""Did the demo's known answers come true? Usage: known_answers.py VERDICT.json ANSWERS.yaml
PYTEST_EXIT_CODE.
"""

import json
import sys
from pathlib import Path

from shortcut_audit.files.yaml_files import read_mapping


def main(verdict: str, answers: str, pytest_code: str) -> int:
    """0 if every model got a verdict that the answers name; else says which did not."""
    document = json.loads(Path(verdict).read_text(encoding="utf-8"))
    expected = read_mapping(Path(answers), f"'{answers}'", "a key for each answer")
    found = {name: model["verdict"] for name, model in document["models"].items()}
    wrong = [
        name
        for name in sorted({*expected, *found})
        if found.get(name) not in expected.get(name, [])
    ]
    for name in wrong:
        wanted = " or ".join(expected.get(name, ["nothing"]))
        print(f"{name}: expected {wanted}, found {found.get(name, 'nothing')}")
    if wrong or document["exit_code"] != int(pytest_code):
        print(
            f"The demo's known answers did NOT come true ({len(wrong)} of {len(expected)} differ)."
        )
        return 1
    promoted = sum(word == "promote" for word in found.values())
    print(
        f"The demo's known answers came true: {promoted} models promoted, "
        f"{len(found) - promoted} not; "
        f"pytest's own exit code was {pytest_code} because models were rejected."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
