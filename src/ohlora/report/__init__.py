"""Everything that lies in a folder of results, as one HTML page that needs nothing else."""
