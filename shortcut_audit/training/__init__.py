"""Scenario -> checkpoints. Not needed to audit.

plan (which models, and their names) -> train (files, resume) -> fit (epochs) -> augmentation
(batches).
"""
