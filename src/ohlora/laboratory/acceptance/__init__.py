"""The acceptance table: what every part must reach, and what it reached."""
