"""Network + a batch of images -> what each image's gradients follow from, quick on a CPU."""
