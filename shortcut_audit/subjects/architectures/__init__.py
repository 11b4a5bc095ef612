"""Name -> nn.Module with random weights; one file per source of architectures."""
