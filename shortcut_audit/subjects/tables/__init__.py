"""A table's rows -> Pictures: which file, which class, which split, and what else it says."""
