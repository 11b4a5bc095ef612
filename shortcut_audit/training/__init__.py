"""Scenario -> checkpoints. Not needed to audit.

plan (which models) -> carriers (which photos wear the decoy) -> fit (augmentation, epochs) -> train (files, resume).
"""
