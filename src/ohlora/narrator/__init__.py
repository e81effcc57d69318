"""A result -> what Oh-LoRA says."""
