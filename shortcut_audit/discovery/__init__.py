"""Training pictures, models -> Proposals -> Families -> decoys that nobody had named."""
