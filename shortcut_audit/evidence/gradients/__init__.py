"""network + images -> inner products of gradients, and from them how much training images speak for
queries.
"""
