#!/usr/bin/env bash
# Trains the populations, audits them and publishes the page; may be stopped at any time, and goes on from there.
# PHOTOGRAPHS names a folder with train/CLASS/ and val/CLASS/ for the second population; without it there is only the first.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1
OUT=${OUT:-calibration}
populations=(fixtures/calibration.yaml)
if [ -n "${PHOTOGRAPHS:-}" ]; then
  python ci/photographs.py "$PHOTOGRAPHS" "$OUT/photographs"
  populations+=(fixtures/calibration_photographs.yaml --data "$OUT/photographs")
fi
shortcut-audit calibrate "${populations[@]}" --out "$OUT" "$@"
cp "$OUT/calibration.md" "$OUT/calibration.json" docs/
