"""The evidence that a run has kept, for whoever sums it up at its end: no network is asked.

The process that writes the report may have asked no model itself, so that memory is no help: what
counts is the store on the disk.
"""

from __future__ import annotations

from collections.abc import Callable

from shortcut_audit.evidence.answers import Answers
from shortcut_audit.evidence.collection import Evidence
from shortcut_audit.files.store import Arrays, Store


class NotKept(LookupError):  # noqa: N818 - no fault: nobody asked this in the run
    """The run has kept no such evidence."""


class Kept(Evidence):
    """The same questions, answered from the disk alone.

    Law: no model is loaded and nothing is written. What is not kept, or was damaged since, raises
    NotKept.
    """

    def __init__(self, evidence: Answers) -> None:
        super().__init__(
            evidence.scenario,
            evidence.candidates.values(),
            Store(evidence.store.where),
            evidence.device,
            evidence.trust_code,
            pictures=evidence.material,
        )
        self._asked = evidence

    def sha256(self, model: str) -> str:
        """That of the bytes which the run has read."""
        return self._asked.sha256(model)

    def digest(self, model: str) -> str:
        """As the run knows it, which has read file and code already."""
        return self._asked.digest(model)

    def has(self, kind: str) -> bool:
        """Whether anything of this kind was ever kept: if not, no pictures are made to ask for
        it.
        """
        return self.store.has_kind(kind)

    def stored(
        self, kind: str, model: str, key: dict[str, object], compute: Callable[[], Arrays]
    ) -> Arrays:
        """What is kept of this model under this key.

        Raises:
            NotKept: nothing is, or it cannot be read.
        """
        found = self.store.kept(kind, {"model": self.digest(model), **key})
        if found is None:
            raise NotKept(f"no {kind} of {model}, or a damaged one")
        return found
