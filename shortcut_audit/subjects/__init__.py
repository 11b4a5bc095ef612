"""checkpoint + data + decoy -> Subject."""
