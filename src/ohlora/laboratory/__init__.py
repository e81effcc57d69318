"""Where the networks of faces are trained and measured; nothing outside imports it at run time."""
