"""An expression -> an image."""
