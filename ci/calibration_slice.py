"""Holds a slice of the population, from other seeds, against the page. Usage: calibration_slice.py
SCENARIO PAGE.json OUT.
"""

import json
import sys
from pathlib import Path

import yaml

from shortcut_audit.calibration.agreement import contradictions
from shortcut_audit.calibration.run import calibrate
from shortcut_audit.files.yaml_files import read_mapping

FIRST = 1000  # no seed of the population is as large
DECOYS = ("stop_sign", "copyright_tag", "corner_patch", "coloured_border")
# image-wide: clean models are audited with these as well
BESIDE = ("hue_shift", "background_texture")


def slice_of(content: dict) -> dict:
    """Six clean models of the first recipe, and six with a local decoy."""
    content["decoys"] = {name: content["decoys"][name] for name in (*DECOYS, *BESIDE)}
    recipe = next(iter(content["calibration"]["recipes"]))
    recipes = {recipe: content["calibration"]["recipes"][recipe]}
    content["calibration"] |= {"recipes": recipes, "rounds": 1, "supporting": {}, "tuning": []}
    whole = [{"decoy": decoy, "coverage": 1.0, "seeds": FIRST} for decoy in DECOYS]
    half = [{"decoy": decoy, "coverage": 0.5, "seeds": FIRST} for decoy in DECOYS[:2]]
    content["training"]["models"] = [{"seeds": list(range(FIRST, FIRST + 6))}, *whole, *half]
    return content


def main(scenario: str, page: str, out: str) -> int:
    """0 if nothing contradicts the page."""
    Path(out).mkdir(parents=True, exist_ok=True)
    asked = Path(out) / "slice.yaml"
    content = read_mapping(Path(scenario), f"'{scenario}'", "the key 'calibration'")
    asked.write_text(yaml.safe_dump(slice_of(content)), encoding="utf-8")
    calibrate([asked], Path(out), workers=2)
    found = json.loads((Path(out) / "calibration.json").read_text(encoding="utf-8"))
    wrong = list(contradictions(json.loads(Path(page).read_text(encoding="utf-8")), found))
    for sentence in wrong:
        print(sentence)
    held, alarms = (
        "contradicts" if wrong else "agrees with",
        f"{found['false_alarms']} of {found['clean']}",
    )
    power = {
        coverage: f"{row['found']} of {row['models']}"
        for coverage, row in found["power_counts"].items()
    }
    print(f"A slice from other seeds {held} {page}: {alarms} clean models rejected, found {power}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
