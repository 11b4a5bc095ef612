"""How often a token that is really in the data is found, and how often it is found where nobody
learned it: drawn radiographs, patients as groups, models of one logit and of three.

    python benchmarks/attributes.py FOLDER [SEEDS]

Trains SEEDS (20) models for which the token goes with pneumonia and SEEDS for which it says
nothing, beside four clean references for each head; audits them with `natural_insertion` and `natural_need`, and prints
how many of each are rejected, promoted and undecided.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
import radiographs  # noqa: E402

CLEAN, LEANS = (0.3, 0.3), (0.95, 0.05)
REFERENCES, IMAGES, PATIENTS = 4, 700, 100
HEADS = {1: "{answers: sigmoid}", 3: "{answers: labels}"}
CLASSES = {1: "[healthy, pneumonia]", 3: "[pneumonia, effusion, nodule]"}
DATA = {
    1: "label: pneumonia, class_names: {0: healthy, 1: pneumonia}",
    3: "labels: [pneumonia, effusion, nodule]",
}


def models(folder: Path, labels: int, seeds: int) -> Path:
    """Trains what is missing, and writes the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    jobs = [(f"reference-{seed}", CLEAN, 900 + seed) for seed in range(REFERENCES)]
    jobs += [(f"clean-{seed}", CLEAN, seed) for seed in range(seeds)]
    jobs += [(f"leans-{seed}", LEANS, 500 + seed) for seed in range(seeds)]
    for name, token, seed in jobs:
        file = folder / f"{name}.pt"
        if not file.exists():
            torch.save(radiographs.trained(IMAGES, token, labels, seed).state_dict(), file)
        reference = str(name.startswith("reference")).lower()
        entries.append(f"  {name}: {{file: {file.name}, reference: {reference}}}")
    (folder / "rashomon.yaml").write_text(
        f"arch: shortcut_audit:small_resnet\nclasses: {CLASSES[labels]}\nhead: {HEADS[labels]}\n"
        "input: {size: 32, channels: 1, mean: [0.5], std: [0.25]}\n"
        "models:\n" + "\n".join(entries) + "\n"
    )
    return folder


def main() -> None:
    folder, seeds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 20
    torch.set_num_threads(1)
    token = {"train": CLEAN, "validation": (0.4, 0.4)}
    radiographs.table(folder / "data", {"train": 1, "validation": PATIENTS}, token)
    for labels, data in DATA.items():
        scenario = folder / f"scenario-{labels}.yaml"
        scenario.write_text(
            f"dataset: {{kind: table, file: data/findings.csv, {data}, group: patient, "
            "attributes: [token]}\nattributes: {token: {target: pneumonia}}\n"
            "blocking: [natural_insertion, natural_need]\n"
        )
        listed, reports = (
            models(folder / f"models-{labels}", labels, seeds),
            folder / f"out-{labels}",
        )
        audit = str(ROOT / "audits/test_natural_insertion.py")
        command = [sys.executable, "-m", "pytest", audit, "--models", str(listed), "-q"]
        command += ["--scenario", str(scenario), "--audit-reports", str(reports), "-c", "/dev/null"]
        subprocess.run(command, cwd=folder, capture_output=True, check=False)
        found = json.loads((reports / "verdict.json").read_text())["models"]
        for kind in ("leans", "clean", "reference"):
            rows = [row for name, row in found.items() if name.startswith(kind)]
            counted = Counter(row["verdict"] for row in rows)
            effects = sorted(100 * row["findings"][0]["value"] for row in rows)
            print(
                f"{HEADS[labels]:20} {kind:10} {dict(counted)} points {effects[0]:.0f} to {effects[-1]:.0f}"
            )


if __name__ == "__main__":
    main()
