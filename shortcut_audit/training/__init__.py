"""Scenario -> checkpoints. Not needed to audit.

The flow: plan (which models, and their names) -> preparation (what they share, their files and
recipes) -> wearing (pictures with a decoy) -> train (files, resume) -> fit (epochs) ->
augmentation (batches). `together` trains several models at a time, and `diversify` makes others
that must do without the reasons of those before them.
"""
