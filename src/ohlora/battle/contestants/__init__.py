"""Everyone who can play a match: one class and one file of conf/challenger/ each."""
