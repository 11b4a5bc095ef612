#!/usr/bin/env bash
# Trains the population, audits it and publishes the page; may be stopped at any time, and goes on from there.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
OUT=${OUT:-calibration}
shortcut-audit calibrate fixtures/calibration.yaml --out "$OUT" "$@"
cp "$OUT/calibration.md" "$OUT/calibration.json" docs/
