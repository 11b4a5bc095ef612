"""Findings -> Report -> files."""
