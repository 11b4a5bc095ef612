"""Verdict + checkpoint -> in-toto statements, for others to sign and to check."""
