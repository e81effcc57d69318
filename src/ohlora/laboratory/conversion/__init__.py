"""StyleGAN checkpoints trained elsewhere -> safetensors."""
