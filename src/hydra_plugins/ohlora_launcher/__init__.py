"""Hydra finds this package by itself: `hydra/launcher=fresh`."""
