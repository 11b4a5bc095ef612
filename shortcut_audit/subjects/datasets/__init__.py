"""path or recipe -> Pictures; one file per kind of data set."""
