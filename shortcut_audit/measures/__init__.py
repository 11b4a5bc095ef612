"""Arrays -> one number an image: masks, rankings, disagreement between models, clusters of
gradients.
"""
