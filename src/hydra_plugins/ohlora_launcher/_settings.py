"""What conf/hydra/launcher/ may hold. (The underscore: as in _jobs.py.)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Gt, Lt, MinLen

from ohlora.config import Count, Index, Many, Name, Positive, config


@config
class FreshSettings:
    """conf/hydra/launcher/fresh.yaml"""

    n_jobs: Count | None
    gpus: Count | Literal["auto"] | Annotated[Many[Index | Name], MinLen(1)] | None
    gpus_per_job: Annotated[float, Gt(0), Lt(1)] | Count  # below 1: several jobs share a card


Resource = Annotated[float, Gt(0), Lt(1)] | Count  # a share of one, or several whole ones


@config
class RaySettings:
    """conf/hydra/launcher/ray.yaml"""

    address: Name | None
    n_jobs: Count | None
    cpus_per_job: Resource
    gpus_per_job: Literal[0] | Resource
    retries: Index


@config
class SubmititSettings:
    """conf/hydra/launcher/submitit_slurm.yaml"""

    cluster: Literal["slurm", "local"] | None
    n_jobs: Count | None
    gpus_per_job: Index
    cpus_per_job: Count
    memory_gb: Positive
    timeout_min: Count
    partition: Name | None
    setup: Many[str]
    slurm: Mapping[str, Any]
    poll_s: Positive
