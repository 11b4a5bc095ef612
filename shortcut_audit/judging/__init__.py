"""per-image numbers -> Estimate -> Verdict. Sees arrays, never a model or a picture."""
