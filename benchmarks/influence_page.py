"""docs/influence.md: its first part is written by hand, each section that is measured by the
command that it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "influence.md"


def write_section(title: str, lines: Iterable[str], page: Path = PAGE) -> None:
    """Replaces the page's section of this title, or adds it at the end."""
    first, *sections = (
        page.read_text(encoding="utf-8").split("\n## ") if page.exists() else ["# Influence\n"]
    )
    new = "\n".join([title, "", *lines, ""])
    at = next(
        (at for at, section in enumerate(sections) if section.startswith(title + "\n")),
        len(sections),
    )
    sections[at : at + 1] = [new]
    page.write_text("\n## ".join([first, *sections]), encoding="utf-8")


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """Markdown, numbers as they are given."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *([str(cell) for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]
