"""Network + images -> (n, h, w) >= 0, what the model needs to see; one file per explainer."""
