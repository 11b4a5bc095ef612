"""Did the search find in the demo's models what is known to be there? Usage: discovered_answers.py
DISCOVERED.json.
"""

import json
import sys
from pathlib import Path

KNOWN = {"F100-s0": "cat", "F75-s0": "cat", "copyright_tag-F100-s0": "fish"}
CLEAN = "F0-"  # how the names of models begin in which nothing is


def main(path: str) -> int:
    """Prints each answer that is wrong; exit 0 where none is."""
    things = json.loads(Path(path).read_text())["things"]
    confirmed = {
        (model, thing["target"])
        for thing in things
        for model, answer in thing["models"].items()
        if answer["state"] == "confirmed"
    }
    wrong = []
    for model, target in KNOWN.items():
        if (model, target) not in confirmed:
            wrong.append(f"nothing that turns pictures into '{target}' is confirmed in {model}")
    for model, target in sorted(confirmed):
        if model.startswith(CLEAN):
            wrong.append(f"something into '{target}' is confirmed in {model}, which is clean")
    print("\n".join(wrong) or f"all {len(KNOWN)} are found, and nothing in a clean model")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
