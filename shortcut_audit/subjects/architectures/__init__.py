"""name -> nn.Module without weights; one file per source of architectures."""
