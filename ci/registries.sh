#!/usr/bin/env bash
# What docs/registries.md says of MLflow, tried on a registry in a file. MLflow wants other versions than the lock: it lies beside.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
BESIDE="$VENV/registries"
[ -d "$BESIDE" ] || uv pip install --quiet --python "$VENV/bin/python" --target "$BESIDE" "mlflow-skinny>=2.20" "sqlalchemy>=2.0" "alembic>=1.13"
PYTHONPATH="$PWD/$BESIDE" pytest tests/reporting/test_registries.py -p no:cacheprovider "$@"
