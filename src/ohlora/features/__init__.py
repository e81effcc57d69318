"""Autoencoder; a subset -> named numbers."""
