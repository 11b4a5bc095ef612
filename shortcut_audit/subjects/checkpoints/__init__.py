"""File -> tensors and metadata; one module per format, and none runs code of a checkpoint."""
