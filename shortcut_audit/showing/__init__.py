"""Evidence that a run has kept -> Exhibits: what its report shows beside its figures."""
