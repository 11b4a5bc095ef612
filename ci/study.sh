#!/usr/bin/env bash
# The thesis's experiments: models are trained where they are not there yet, then the page is written.
# Exit 0 if everything was measured and what must agree with the thesis does (SCENARIO's *_answers.yaml, where there is one).
set -euo pipefail
cd "$(dirname "$0")/.."
SCENARIO=${SCENARIO:-fixtures/study.yaml} OUT=${OUT:-reports/study}
shortcut-audit study "$SCENARIO" --out "$OUT" "$@"
[ ! -f "${SCENARIO%.yaml}_answers.yaml" ] || python ci/study_answers.py "$OUT/study.json" "${SCENARIO%.yaml}_answers.yaml"
