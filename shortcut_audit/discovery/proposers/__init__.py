"""One file for each way to propose a shortcut."""
