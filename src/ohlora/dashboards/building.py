"""The workspace and the report as wandb-workspaces has them, printed or uploaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb

from ohlora.dashboards.job import BuildDashboards
from ohlora.dashboards.panels import SECTIONS, STEP, Panel, Section
from ohlora.dashboards.replay import replay_lineage
from ohlora.durable import write_json
from ohlora.errors import OhloraError
from ohlora.tracking import wandb_out_of_reach

NOBODY = "entity"  # in a specification that is not uploaded
WIDE = 24  # columns of a report's grid


def build_dashboards(job: BuildDashboards) -> None:
    """Print the specifications as JSON and leave them in the run's folder, or upload them with `push`."""
    if job.push:
        push(job)
        return
    entity = job.entity or NOBODY
    content = {
        "workspace": plain(workspace(job, entity, SECTIONS)),
        "report": plain(report(job, entity, SECTIONS, "")),
    }
    path = Path(job.output_dir) / "dashboards.json"
    write_json(path, content)
    print(json.dumps(content, indent=2))
    print(f"not uploaded (push=true does): {path}", file=sys.stderr)


def push(job: BuildDashboards) -> None:
    """Upload workspace and report, and replay the lineage of the runs that are there."""
    if why := wandb_out_of_reach(wandb):
        raise OhloraError(f"push=true needs W&B ({why}); without it the specification is printed")
    try:
        api: Any = wandb.Api()
        entity = job.entity or api.default_entity
        if not any(one.name == job.project for one in api.projects(entity)):
            raise OhloraError(f"{entity} has no project {job.project}: sync a run first (logger=wandb)")
        print(f"workspace: {workspace(job, entity, SECTIONS).save().url}")
        print(f"report: {report(job, entity, SECTIONS, entity).save().url}")
        print(replay_lineage(api, f"{entity}/{job.project}"))
    except (wandb.Error, ValueError, OSError) as error:
        raise OhloraError(f"W&B refuses: {' '.join(str(error).split())[:300]}") from None


def plain(built: Any) -> dict[str, Any]:
    """A workspace or a report as the JSON that W&B is sent."""
    return json.loads(built._to_model().model_dump_json(by_alias=True, exclude_none=True))


def workspace(job: BuildDashboards, entity: str, sections: Sequence[Section]) -> Any:
    """Runs grouped by sweep, job type and dataset; a section a job type."""
    import wandb_workspaces.workspaces as ws  # type: ignore[import-not-found]
    from wandb_workspaces import expr  # type: ignore[import-not-found]

    return ws.Workspace(
        entity=entity,
        project=job.project,
        name=job.title,
        sections=[
            ws.Section(name=one.title, panels=[drawn(panel) for panel in one.panels], is_open=True)
            for one in sections
        ],
        runset_settings=ws.RunsetSettings(
            groupby=[expr.Metric("Group"), expr.Metric("JobType"), expr.Config("choices.dataset")],
            pinned_columns=["run:displayName", "run:jobType", "config:choices.dataset", "config:commit"],
        ),
    )


def report(job: BuildDashboards, entity: str, sections: Sequence[Section], owner: str) -> Any:
    """A page: a chapter a section with the runs of its job type; `owner` of the runs, "" in a mere print.

    With an owner W&B is asked whether the project is there.
    """
    import wandb_workspaces.reports.v2 as wr  # type: ignore[import-not-found]

    blocks: list[Any] = [wr.TableOfContents()]
    for one in sections:
        runs = wr.Runset(
            entity=owner,
            project=job.project if owner else "",
            name=one.job_type,
            filters=f"Metric('JobType') == '{one.job_type}'",
        )
        panels = [drawn(panel, wide=panel.kind in ("table", "parallel")) for panel in one.panels]
        blocks += [wr.H2(one.title), wr.P(one.about), wr.PanelGrid(runsets=[runs], panels=panels)]
    about = "Sweep, target table, predictor, match: what was trained, and what came of it."
    return wr.Report(
        project=job.project, entity=entity, title=job.title, description=about, blocks=blocks, width="fluid"
    )


def drawn(panel: Panel, wide: bool = False) -> Any:
    """A panel as wandb-workspaces has it; a `wide` one takes the whole width of a report."""
    import wandb_workspaces.reports.v2 as wr  # type: ignore[import-not-found]

    keys: list[Any] = [*panel.keys, *panel.also]
    layout: dict[str, Any] = {"layout": wr.Layout(w=WIDE, h=10)} if wide else {}
    if panel.kind == "lines":
        return wr.LinePlot(title=panel.title, x=STEP, y=keys, **layout)
    if panel.kind == "bars":
        return wr.BarPlot(title=panel.title, metrics=keys, **layout)
    if panel.kind == "scatter":
        x, y = map(wr.SummaryMetric, keys)
        return wr.ScatterPlot(title=panel.title, x=x, y=y, **layout)
    if panel.kind == "media":
        return wr.MediaBrowser(title=panel.title, media_keys=keys, **layout)
    if panel.kind == "table":
        return wr.WeavePanelSummaryTable(table_name=keys[0], **layout)
    if panel.kind == "importance":
        return wr.ParameterImportancePlot(with_respect_to=keys[0], **layout)
    columns = [
        wr.ParallelCoordinatesPlotColumn(
            metric=wr.Config(key.removeprefix("config:"))
            if key.startswith("config:")
            else wr.SummaryMetric(key)
        )
        for key in keys
    ]
    return wr.ParallelCoordinatesPlot(title=panel.title, columns=columns, **layout)
