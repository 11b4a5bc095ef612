"""Ground -> Section: each file is one experiment of the thesis."""
