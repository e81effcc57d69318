"""What every stage of her face must reach, and what it reached."""
