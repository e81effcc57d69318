"""Networks and their losses: segmenter, regressor, attribute classifiers, identity embedder, VAE training."""
