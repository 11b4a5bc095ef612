#!/usr/bin/env bash
# The report's page in Chromium. Debian's browser and its driver are installed where they are not there yet.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
  apt-get update --quiet --quiet
  apt-get install --yes --quiet --quiet chromium chromium-driver
fi
uv pip install --quiet --python "$(command -v python)" "axe-selenium-python>=2.1" "selenium>=4.20"
pytest tests/browser "$@"
