"""Moving a face: expressions, motion over time, speech, films, and the live page."""
