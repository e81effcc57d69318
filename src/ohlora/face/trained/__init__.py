"""Trained generators at run time: networks, their weights and the face bank. Nothing here trains."""
