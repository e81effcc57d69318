"""Moving a face: expressions, motion over time, speech, films, and a live face that is asked for frames."""
