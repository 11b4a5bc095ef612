"""Scenario -> how often the audits err: false alarms and power on a population of models whose
answer is known.

population (which models, which audits) -> trials (one audit, as a user would run it) + behaviour
(what the model does with fresh pictures) -> figures (rates and their bounds) -> page (Markdown and
JSON); run: all of it, resumed and in parallel.
"""
