"""Scenario -> how often the audits err, on a population of models whose answer is known.

The flow: population (which models, which audits) -> trials (one audit, as a user would run it)
+ behaviour (what the model does with fresh pictures) -> outcomes (what one of them says) -> rates
and breakdowns (how many, and what bounds the true share) -> figures -> page (Markdown and JSON).
`run` does all of it, resumed and in parallel; `agreement` compares two populations.
"""
