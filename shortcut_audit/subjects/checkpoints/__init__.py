"""file -> tensors and metadata; one file per format, none of which ever runs code from a
checkpoint.
"""
