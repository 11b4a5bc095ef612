"""Candidate -> Subject: a network, filled with the file's tensors."""
