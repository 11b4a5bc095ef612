"""Pictures -> Decoyed: how a decoy and its neutral control get onto pictures."""
