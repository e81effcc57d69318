"""Lineage after a sync: W&B is told which artifacts each run used, by the digests in the runs' configs."""

from __future__ import annotations

from typing import Any


def replay_lineage(api: Any, project: str) -> str:
    """Tell W&B of every run's inputs; return what was done, as a line. Done again it adds nothing.

    `use_artifact` needs the network that a run may not have had. Its inputs stand in its config, and what
    runs of the project have made is found by the same digest; an input from elsewhere has no artifact.
    """
    runs = list(api.runs(project))
    made = {artifact.metadata.get("sha256"): artifact for run in runs for artifact in run.logged_artifacts()}
    told = there = elsewhere = 0
    for run in runs:
        inputs = run.config.get("inputs") or []
        if not inputs:
            continue
        known = {artifact.id for artifact in run.used_artifacts()}
        for one in inputs:
            artifact = made.get(one["sha256"])
            if artifact is None:
                elsewhere += 1
            elif artifact.id in known:
                there += 1
            else:
                run.use_artifact(artifact)
                told += 1
    return (
        f"lineage: {told} inputs of {len(runs)} runs told to W&B, {there} known to it,"
        f" {elsewhere} not made by runs of this project"
    )
