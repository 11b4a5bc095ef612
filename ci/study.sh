#!/usr/bin/env bash
# The thesis's experiments: models are trained where they are not there yet, then the page is written.
set -euo pipefail
cd "$(dirname "$0")/.."
shortcut-audit study "${SCENARIO:-fixtures/study.yaml}" --out "${OUT:-reports/study}" "$@"
