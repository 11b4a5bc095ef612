"""Report -> one file; one module per format."""
