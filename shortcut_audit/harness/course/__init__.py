"""The course of a run: what is said before it, what is told while it measures, what is written."""
