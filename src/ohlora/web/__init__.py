"""The battle and her face in a browser of this machine: one server, its sessions, its pages."""
