"""What the processes of a run saw beside findings: files that could not be read, or changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shortcut_audit.reporting import suite as suites


class Observed:
    """Of one process, and of the others once they have handed over what they saw.

    notes: sentences for the user: what could not be read, kept or compared.
    doubts: sentences on files that changed meanwhile, so that nothing can be relied on.
    pictures: what models were asked about -> digest of its pictures.
    suite: the audits' files, and what was in them.
    devices: on which the models were asked.
    """

    def __init__(self) -> None:
        self.notes: set[str] = set()
        self.doubts: set[str] = set()
        self.pictures: dict[str, str] = {}
        self.suite = suites.Suite()
        self.devices: set[str] = set()

    def saw(self, pictures: Mapping[str, str]) -> None:
        """Pictures that two processes of a run saw differently leave everything in doubt."""
        for name, digest in pictures.items():
            if self.pictures.setdefault(name, digest) != digest:
                self.doubts.add(
                    f"the pictures of {name} (name@pixels) changed while the audits ran: "
                    "run them again"
                )

    def handed_over(self) -> dict[str, Any]:
        """The same in plain values, for the process that writes the report."""
        suite = {"audits": list(self.suite.audits), "files": dict(self.suite.files)}
        return {
            "notes": sorted(self.notes),
            "suite": suite,
            "data": self.pictures,
            "devices": sorted(self.devices),
        }

    def take_over(self, said: Mapping[str, Any]) -> None:
        """Takes what a worker handed over; one that was killed says nothing."""
        self.notes |= set(said.get("notes", ()))
        self.saw(said.get("data", {}))
        self.devices |= set(said.get("devices", ()))
        if "suite" in said:
            theirs = suites.Suite(tuple(said["suite"]["audits"]), said["suite"]["files"])
            self.doubts |= set(suites.unlike(self.suite, theirs))
            self.suite = suites.joined(self.suite, theirs)
