"""One CNN + one set of hyperparameters + one subset -> one score."""
