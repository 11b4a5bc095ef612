"""Proposals -> Families: what it is, where, and what it does to a model and its peers."""
