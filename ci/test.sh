#!/usr/bin/env bash
# The test suite, one worker a core; each worker computes with one thread.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
pytest tests -n "$(getconf _NPROCESSORS_ONLN)" --dist loadfile "$@"
