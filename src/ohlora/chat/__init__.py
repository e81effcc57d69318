"""Conversation with Oh-LoRA: an answerer, a memory on this machine, and a mood for her face."""
