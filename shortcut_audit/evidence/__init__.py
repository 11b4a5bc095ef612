"""Subject -> Predictions, Masks, Influence."""
