"""What is learned from faces: maps, property values, judgements, and a generator."""
