"""Contestants propose, a referee trains, the result is plain data."""
