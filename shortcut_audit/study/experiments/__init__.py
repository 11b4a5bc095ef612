"""Ground -> Section: one experiment of the thesis a file."""
