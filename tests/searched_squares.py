"""A search whose answer is known: coloured squares, of which some green ones wear a stop sign, a
network that takes red for green, and peers that look at the squares alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from planted import COLOURS, ColourNet
from safetensors.torch import save_file

from shortcut_audit.discovery.ground import Ground
from shortcut_audit.discovery.search import Discovery
from shortcut_audit.evidence.answers import Answers
from shortcut_audit.files.store import Store
from shortcut_audit.records import Candidate
from shortcut_audit.scenario import Scenario

SIGN = {"kind": "stop_sign", "size": 0.3}
FEW = {"cut_outs": {"sources": 16, "hosts": 8}}
RED = 2000.0  # how much a network that falls for the sign takes red for green
SIZE = 32


def candidate(folder: Path, name: str, red: float = 0.0, **described: Any) -> Candidate:
    """A network's file, and what a manifest says of it."""
    file, net = folder / f"{name}.safetensors", ColourNet(red)
    seed = sum(name.encode())
    with torch.no_grad():  # no two are the same
        net.fc.bias += 0.01 * torch.randn(3, generator=torch.Generator().manual_seed(seed))
    save_file(net.state_dict(), file)
    known = {"classes": tuple(COLOURS), "size": SIZE, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    return Candidate(name, file, "planted:colour_net", **{**known, **described})


def one_that_falls(folder: Path) -> list[Candidate]:
    """Two references and a model that falls for the sign."""
    honest = [candidate(folder, f"F0-s{i}", reference=True) for i in range(2)]
    return [*honest, candidate(folder, "F100-s0", RED)]


def discovery(
    folder: Path,
    models: list[Candidate],
    coverage: float = 0.5,
    train: int = 48,
    **settings: Any,
) -> Discovery:
    """A search of these models; the folder is where evidence is kept."""
    worn = {"decoy": SIGN, "by": "green", "coverage": coverage}
    squares = {"kind": "coloured_squares", "train": train, "validation": 20}
    scenario = Scenario(
        dataset={"kind": "decoyed", "of": squares, "wears": [worn]},
        discover={"proposers": FEW, **settings},
    )
    assert scenario.discover is not None
    answers = Answers(scenario, models, Store(folder / "store"), trust_code=True)
    return Discovery(answers, scenario.discover)


def ground(made: Discovery, model: str, targets: tuple[int, ...] | None = None) -> Ground:
    """What a proposer is given in the search of this model."""
    asked = made.targets() if targets is None else targets
    return Ground(made.parts(SIZE), asked, made.answers, model, made.peers(model))
