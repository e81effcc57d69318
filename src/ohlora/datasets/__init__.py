"""Image files -> small subsets -> batches."""
