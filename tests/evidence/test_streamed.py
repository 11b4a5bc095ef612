"""Evidence about pictures that are had block by block is evidence about all of them at once: the
same addresses, the same values.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import planted
import pytest
import torch
from planted import ColouredSquares
from small_run import entries
from torch import Tensor

from shortcut_audit import Pictures, register, rows
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Store
from shortcut_audit.rows import Lazy
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates

STEP = 8  # pictures a block; none of the splits is a whole number of them
SCENARIO = """
dataset: {kind: KIND, validation: 9, train: 11, background: 5}
decoys:
  stop_sign: {kind: stop_sign, target: green, size: 0.3}
masks: {images: 6, explainer: saliency}
influence: {queries: 3, method: gradient_dot}
"""
MODEL = "F100-s0"  # takes red for green


@register("dataset")
@dataclass(frozen=True)
class StreamedSquares(ColouredSquares):
    """The squares, each block of which is copied when it is asked for; one bit may be wrong."""

    wrong: bool = field(default=False, repr=False)
    made: Counter[str] = field(default_factory=Counter, repr=False, compare=False)

    counts_once = True  # no two are alike

    def load(self, split: str, size: int, label: int | None = None) -> Pictures:
        loaded = super().load(split, size)
        if label is not None:
            loaded = _some(loaded, torch.from_numpy(loaded.labels == label))
        pixels = loaded.pixels[:].clone()
        pixels[-1, 0, 0, 0] ^= self.wrong

        def make(i: int) -> Tensor:
            self.made[split] += 1
            return pixels[i * STEP : (i + 1) * STEP].clone()

        return replace(loaded, pixels=Lazy(pixels.shape, make))


def _some(pictures: Pictures, kept: Tensor) -> Pictures:
    ids = [pictures.ids[i] for i in kept.nonzero().flatten().tolist()]
    labels = pictures.labels[kept.numpy()]
    return replace(pictures, pixels=pictures.pixels[kept], labels=labels, ids=tuple(ids))


@pytest.fixture(autouse=True)
def _tiny_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MANY", STEP)


def kept(folder: Path, kind: str) -> dict[str, dict[str, str]]:
    """Address -> key and digest of everything that audits ask about a model, over a data set."""
    name = "".join(each for each in kind if each.isalpha())
    (folder / f"{name}.yaml").write_text(SCENARIO.replace("KIND", kind))
    if not (folder / "models").exists():
        planted.write_models(folder / "models", 1, 1)
    evidence = Evidence(
        load_scenario(folder / f"{name}.yaml"),
        read_candidates(folder / "models"),
        Store(folder / name),
        trust_code=True,
    )
    for strength in range(len(evidence.material.strengths("stop_sign"))):
        evidence.predictions(MODEL, "stop_sign", strength)
    evidence.predictions(MODEL, "stop_sign", control="scrambled")
    evidence.otherwise(MODEL)
    for ask in (evidence.masks, evidence.influence, evidence.explainer_check):
        ask(MODEL, "stop_sign")
    evidence.transfer(MODEL, "F0-s0", "stop_sign")
    if kind.startswith("streamed"):
        assert evidence.material.dataset.made["train"], "no block of the training set was asked for"
    return entries(folder / name)


def test_a_streamed_run_leaves_the_entries_of_a_whole_one(tmp_path):
    whole = kept(tmp_path, "coloured_squares")
    assert kept(tmp_path, "streamed_squares") == whole
    counts = Counter(address.partition("/")[0] for address in whole)
    # of 4 blocks of validation and 1 of background: plain, and two under each of 3 decoys
    assert counts["logits"] >= 4 * (1 + 2 * 3)
    assert {"masks", "influence", "explainer_check", "transfer"} <= counts.keys()


def test_one_other_bit_in_the_last_block_leaves_other_entries(tmp_path):
    whole = kept(tmp_path, "coloured_squares")
    other = kept(tmp_path, "streamed_squares, wrong: true")
    differ = Counter(address.partition("/")[0] for address in other.keys() - whole.keys())
    same = Counter(address.partition("/")[0] for address in other.keys() & whole.keys())
    assert differ["logits"] < same["logits"]  # the other blocks are where they were
    assert differ["logits"]
