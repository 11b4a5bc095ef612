#!/usr/bin/env bash
# What is measured against peers; each script prints its table. docs/masks.md lists the longer runs.
set -euo pipefail
cd "$(dirname "$0")/.."
python benchmarks/masks.py "$@"
python benchmarks/influence.py "$@"
