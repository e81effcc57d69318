"""The W&B project as code: its workspace, its report, and the lineage of its runs after a sync."""
