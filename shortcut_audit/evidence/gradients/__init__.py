"""Network + images -> inner products of gradients -> how much training images speak for queries."""
