"""`exhibits.json`: what was shown of each model, for a page that is written again later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.records import Report
from shortcut_audit.registry import register
from shortcut_audit.showing import exhibits_file


@register("reporter")
@dataclass(frozen=True)
class ExhibitsJson:
    """The exhibits of a report, which name the pictures beside it."""

    name: str = exhibits_file.NAME

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        path = folder / self.name
        exhibits_file.write(report, path)
        return path
