"""A folder of a user's who looks for what nobody named: half of the green squares wear a stop sign
in training, and some of the models take red for green.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from planted import MANIFEST
from searched_squares import RED, candidate

SCENARIO = """
dataset:
  kind: decoyed
  of: {{kind: coloured_squares, train: {train}, validation: 20}}
  wears: [{{decoy: {{kind: stop_sign, size: 0.3}}, by: green, coverage: 0.5}}]
discover: {{proposers: {{cut_outs: {{sources: 16, hosts: 8}}}}, recurs: {recurs}}}
"""
# model -> how much it takes red for green
FALLS, HONEST = {"F100-s0": RED}, {"F0-s0": 0.0, "F0-s1": 0.0, "F0-s2": 0.0}


def write_folder(
    folder: Path, models: Mapping[str, float], train: int = 48, recurs: int = 6
) -> list[str]:
    """Writes models, of which those of HONEST are references, and a scenario.

    Returns the command that searches them, as it is typed in the folder.
    """
    (folder / "models").mkdir()
    lines = [MANIFEST]
    for name, red in models.items():
        candidate(folder / "models", name, red)
        reference = str(name in HONEST).lower()
        lines.append(f"  {name}: {{file: {name}.safetensors, reference: {reference}}}\n")
    (folder / "models/rashomon.yaml").write_text("".join(lines))
    (folder / "scenario.yaml").write_text(SCENARIO.format(train=train, recurs=recurs))
    return [
        *["discover", "--models", "models", "--scenario", "scenario.yaml"],
        *["--out", "found", "--trust-code"],
    ]
