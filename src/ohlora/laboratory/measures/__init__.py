"""Measures: property scores of label maps, statistics, distances between sets of images."""
