#!/usr/bin/env bash
# Format, lint and types; all configured in pyproject.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
ruff format --check --quiet .
ruff check --quiet .
mypy
python ci/density.py
