"""Models and target table -> repositories on the Hugging Face Hub."""
