"""Files: whole or not at all, checked key by key, digested, and evidence kept in them."""
