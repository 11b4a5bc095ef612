"""Scenario -> checkpoints. Not needed to audit."""
