"""Network + images -> what the model needs to see of them."""
