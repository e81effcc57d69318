"""What `python -m ohlora dashboards` runs, as settings (conf/dashboards.yaml)."""

from __future__ import annotations

from ohlora.config import Name, compared, config, deferred
from ohlora.errors import need_packages


@config
class BuildDashboards:
    """Build the project's workspace and report; print them, or upload them and the runs' lineage."""

    project: Name
    entity: Name | None  # a user or a team; None: W&B's own default
    push: bool
    title: Name
    output_dir: Name

    build = deferred("ohlora.dashboards.building", "build_dashboards")

    @compared
    def _names_no_path(self) -> None:
        if "/" in self.project:
            raise ValueError(f"project={self.project} holds a slash: entity=NAME names whose it is")

    def run(self) -> None:
        need_packages("dashboards", "wandb", "wandb_workspaces")
        self.build()
