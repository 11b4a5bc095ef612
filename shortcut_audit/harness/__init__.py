"""Plans a run, asks, measures and judges: case x audit function -> Findings. Knows nothing of
pytest.
"""
