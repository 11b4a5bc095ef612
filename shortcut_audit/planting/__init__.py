"""Scenario -> a folder of pictures, which a model answers where it is."""
