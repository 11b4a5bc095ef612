"""`report.html`: one page for people, with the pictures that say why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shortcut_audit.files.whole import replacing
from shortcut_audit.records import Report
from shortcut_audit.registry import register

STYLE = "report.css"


@register("reporter")
@dataclass(frozen=True)
class ReportHtml:
    """One file with everything in it. split: style and pictures lie beside it, for servers such as
    Jenkins that forbid them inside a page.
    """

    name: str = "report.html"
    split: bool = False

    def write(self, report: Report, folder: Path) -> Path:
        """Writes the file in one piece and returns its path."""
        # jinja2 is needed by nothing else of an audit
        from shortcut_audit.reporting.page import render

        text = render.page(report, folder, self.split)
        path = folder / self.name
        with replacing(path) as unfinished:
            unfinished.write_bytes(text.encode(errors="replace"))
        if self.split:
            with replacing(folder / STYLE) as unfinished:
                unfinished.write_bytes(render.STYLE.read_bytes())
        return path
