"""Data set -> Pictures: files, annotations and drawings, decoded once, each counted once."""
