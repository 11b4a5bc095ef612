#!/usr/bin/env bash
# A slice of the calibration's population is trained again from other seeds, and held against docs/calibration.json.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
python ci/calibration_slice.py fixtures/calibration.yaml docs/calibration.json "${OUT:-calibration/slice}"
