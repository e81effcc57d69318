"""Features + hyperparameters -> predicted macro-F1, and the search over it."""
