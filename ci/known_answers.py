"""Did the demo's known answers come true? Clean models (references) promoted, every decoy model rejected."""

import json
import sys
from pathlib import Path


def main(verdict: str, pytest_code: str) -> int:
    """0 if every reference is promoted and every other model is rejected; says which is not."""
    document = json.loads(Path(verdict).read_text(encoding="utf-8"))
    expected = {name: "promote" if model["reference"] else "reject" for name, model in document["models"].items()}
    wrong = [
        f"{name}: expected {expected[name]}, found {model['verdict']}"
        for name, model in document["models"].items()
        if model["verdict"] != expected[name]
    ]
    for line in wrong:
        print(line)
    if wrong or not expected or document["exit_code"] != int(pytest_code):
        print(f"The demo's known answers did NOT come true: {len(wrong)} of {len(expected)} differ (pytest's exit code: {pytest_code}).")
        return 1
    rejected = sum(word == "reject" for word in expected.values())
    print(
        f"The demo's known answers came true: {len(expected) - rejected} clean models promoted, {rejected} decoy models rejected; "
        f"pytest's own exit code was {pytest_code} because models were rejected."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
