"""Sources of training faces: rendered ones and folders of photos."""
