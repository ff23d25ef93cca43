"""lite0: a small model of our own with SAM's tensors, for machines without a GPU."""
