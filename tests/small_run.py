"""A small run over coloured squares, as a site that any process can take up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import planted
from safetensors import safe_open

from shortcut_audit.files.store import Store
from shortcut_audit.gathering.site import Counted, Site
from shortcut_audit.gathering.tasks import Task, every_unit, tasks
from shortcut_audit.scenario import load_scenario
from shortcut_audit.subjects.manifest.candidates import read_candidates

# an explainer that writes down what it is asked, and one call of which may end its process or node
CONFTEST = f"""
import hashlib, os, signal, sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append({str(Path(planted.__file__).parent)!r})
import planted
from shortcut_audit import register


@register("explainer")
@dataclass(frozen=True)
class Noted:
    log: str = field(default="", repr=False)
    dies: str = field(default="", repr=False)  # a file that is there once it did
    spared: int = field(default=0, repr=False)  # 0: the process dies, else its node, less this one

    def explain(self, network, images, targets, area, report=None):
        weights = [each.detach().numpy().tobytes() for each in network.state_dict().values()]
        asked = hashlib.sha256(images.numpy().tobytes() + b"".join(weights)).hexdigest()
        with open(self.log, "a") as log:
            log.write(asked + chr(10))
        if self.dies and os.getppid() != self.spared and not Path(self.dies).exists():
            Path(self.dies).touch()
            if self.spared:
                os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        return images.std(1)


@register("explainer")
@dataclass(frozen=True)
class Memoryless:
    def explain(self, network, images, targets, area, report=None):
        raise MemoryError("no room for it")


@register("explainer")
@dataclass(frozen=True)
class Clumsy:
    def explain(self, network, images, targets, area, report=None):
        raise ValueError("it was not\\nfinished")
"""
SCENARIO = """
dataset: {kind: coloured_squares, validation: 8, train: 6, background: 4}
decoys:
  stop_sign: {kind: stop_sign, target: green, size: 0.3}
  hue_shift: {kind: hue_shift, target: any}
masks: {images: 4, explainer: EXPLAINER, options: {OPTIONS}}
influence: {queries: 2, method: gradient_dot}
"""


@dataclass(frozen=True)
class Small:
    """A run of a clean model and one that takes red for green."""

    folder: Path

    def site(self, store: str, explainer: str = "noted", more: str = "", **changed: Any) -> Site:
        """It with its own store: a name in the folder, or an address."""
        options = f"log: {self.log}{more}" if explainer == "noted" else ""
        text = SCENARIO.replace("EXPLAINER", explainer).replace("OPTIONS", options)
        conftest, file = self.folder / "noted.py", self.folder / "scenario.yaml"
        conftest.write_text(CONFTEST)
        file.write_text(text)
        where = store if ":" in store else self.folder / store
        site = Site(
            load_scenario(file),
            tuple(read_candidates(self.folder / "models")),
            Store(where),
            trust_code=True,
            conftests=(conftest,),
        )
        return replace(site, **changed)

    @property
    def log(self) -> Path:
        """What the explainer was asked."""
        return self.folder / "asked.log"

    def asked(self) -> Counter[str]:
        """Digest of the images -> how often it was asked about them since the last time."""
        found = Counter(self.log.read_text().split() if self.log.exists() else [])
        self.log.unlink(missing_ok=True)
        return found


def every_task(evidence: Counted, check: bool = False) -> list[Task]:
    """All that can be asked of the models; of explainer checks, which are dear, one or none."""
    found = tasks(every_unit(evidence.material, evidence.candidates.values()), evidence)
    dear = [task for task in found if task.kind == "explainer_check"]
    left_out = dear[1:] if check else dear
    return [task for task in found if task not in left_out]


def entries(store: Path) -> dict[str, dict[str, str]]:
    """Address -> kind, key and the SHA-256 of the arrays of each entry of a store."""
    found = {}
    for file in store.rglob("*.safetensors"):
        with safe_open(file, "np") as entry:
            found[file.relative_to(store).as_posix()] = entry.metadata()
    return found
