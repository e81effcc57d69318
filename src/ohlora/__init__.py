"""Oh-LoRA: hyperparameters at a glance, and a battle to prove it."""

__version__ = "0.1.0"
