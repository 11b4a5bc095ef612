"""Arrays -> one number per image.

The numbers are about masks, rankings, disagreement between models, and clusters of gradients.
"""
