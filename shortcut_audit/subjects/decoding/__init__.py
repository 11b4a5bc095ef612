"""Files -> pixels, block by block: decoded once, kept, and read again by every later run."""
