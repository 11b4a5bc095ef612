"""Scenario -> the thesis's tables and figures with one's own numbers, beside the published ones.

The flow: `ground` (models and pictures) -> `experiments/` (each turns evidence into a Section) ->
`page` (HTML, CSV, PNG and SVG).
"""
