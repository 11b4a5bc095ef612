"""What the thesis published, as data: `published.yaml` -> tables and figures' medians."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def published() -> dict[str, Any]:
    """Name -> what the thesis says there; comments in the file say what the columns are."""
    content: dict[str, Any] = yaml.safe_load(files("shortcut_audit.study").joinpath("published.yaml").read_text(encoding="utf-8"))
    return content
