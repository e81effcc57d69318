"""Her face: what draws it, what moves it, and the trained generator as it is used."""
