#!/usr/bin/env bash
# The main job: a Rashomon set is trained where it is not there yet, audited and judged.
# Exit 0 if the demo's known answers came true: clean models promoted, decoy models rejected.
set -euo pipefail
cd "$(dirname "$0")/.."
MODELS=${MODELS:-checkpoints} SCENARIO=${SCENARIO:-fixtures/demo.yaml}
shortcut-audit train "$SCENARIO" --out "$MODELS" --processes "$(getconf _NPROCESSORS_ONLN)"
code=0
pytest audits/ --models "$MODELS" --scenario "$SCENARIO" -n "$(getconf _NPROCESSORS_ONLN)" "$@" || code=$?
python ci/known_answers.py reports/verdict.json "${SCENARIO%.yaml}_answers.yaml" "$code"
