#!/usr/bin/env bash
# The test suite, one worker a core; each worker computes with one thread. SLOW=1: the sessions that take long, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
if [ "${SLOW:-0}" = 1 ]; then
  pytest tests -m slow -n "$(getconf _NPROCESSORS_ONLN)" "$@"
else
  pytest tests -m "not slow" -n "$(getconf _NPROCESSORS_ONLN)" --dist loadfile "$@"
fi
