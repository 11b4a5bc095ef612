"""What the thesis published, as data: `published.yaml` -> the numbers of its tables and figures."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from shortcut_audit.files.yaml_files import parsed_mapping


@cache
def published() -> dict[str, Any]:
    """Name of a table or figure -> its numbers; comments in the file say what the columns are."""
    content = files("shortcut_audit.study").joinpath("published.yaml").read_bytes()
    return parsed_mapping(content, "published.yaml", "a key for each table")
