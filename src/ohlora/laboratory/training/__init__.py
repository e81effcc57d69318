"""One job a module: what `train.py model=face_*` runs."""
