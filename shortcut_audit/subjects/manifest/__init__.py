"""A folder of checkpoints -> Candidates: what is said of each model, before any is loaded."""
