#!/usr/bin/env bash
# Searches the demo's models for shortcuts that nobody names, on training pictures that wear them, and holds what is confirmed against what is known.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_WAIT_POLICY=PASSIVE
models="${MODELS:-checkpoints}"
if [ ! -f "$models/rashomon.yaml" ]; then
  shortcut-audit train fixtures/demo.yaml --out "$models" --processes 2
fi
code=0
shortcut-audit discover --models "$models" --scenario fixtures/discover.yaml --class cat fish --out reports/discovered || code=$?
[ "$code" -eq 1 ] || { echo "something must be confirmed (exit code 1), and the command ended with $code"; exit 1; }
python ci/discovered_answers.py reports/discovered/discovered.json
