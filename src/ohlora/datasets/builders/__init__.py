"""Dataset builders: each builds one dataset on this machine, once, from what needs no download by us."""
