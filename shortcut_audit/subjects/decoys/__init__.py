"""Pictures -> Decoyed; one file per decoy, each with a neutral control."""
