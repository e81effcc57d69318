"""`publish` as conf names it: settings alone."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from ohlora.config import Many, Name, compared, config, deferred
from ohlora.errors import nearest


def _hub_name(given: str) -> str:
    if not re.fullmatch(r"(?!.*(--|\.\.))\w([\w.-]{0,94}\w)?", given, re.ASCII):
        raise ValueError("not a name on the Hub: letters, digits, - _ . between them, 96 at most")
    return given


HubName = Annotated[str, AfterValidator(_hub_name)]  # either half of owner/name


@config
class Results:
    """Scores of JSON cards that go into the metadata of the model card (model-index)."""

    cards: Name  # the JSON cards: a glob in the repository's folder
    task: Name  # as the Hub names it: image-segmentation
    dataset: Name  # what was measured on; {words} in braces are looked up in the JSON card
    place: Name  # of the scores in the JSON card, dotted: report.scores.predictor
    metrics: dict[Name, Many[Name]]  # metric as the Hub names it -> names of the scores


@config
class Metadata:
    """The head of a card, in the Hub's own words."""

    license: Name
    language: Many[Name]  # ISO 639-1
    tags: Many[Name]
    library_name: Name | None = None
    pipeline_tag: Name | None = None
    pretty_name: Name | None = None
    task_categories: Many[Name] = ()
    data_files: Name | None = None  # of a dataset: what its viewer shows

    def said(self) -> dict[str, Any]:
        """What is given, as the Hub reads it."""
        given = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        files = given.pop("data_files")
        viewer = {"configs": [{"config_name": "default", "data_files": files}]} if files else {}
        return {key: value for key, value in {**given, **viewer}.items() if value}


@config
class Repository:
    """One repository on the Hub, and what is in it."""

    kind: Literal["model", "dataset"]
    name: HubName
    folder: Name
    files: Many[Name]  # globs in the folder
    pretrained: bool  # read by from_pretrained
    text: Name | None  # of the card, a file of ohlora/publish/cards; None: the README.md of the folder
    metadata: Metadata
    results: Many[Results]


@config
class Publish:
    """Send models, target table and their cards to the Hugging Face Hub, or say what would be sent."""

    repositories: dict[Name, Repository]
    only: Many[Name] | None  # of the repositories; None: all
    owner: HubName | None  # user or organisation; None: the token's user
    private: bool  # repositories that are made are
    dry_run: bool
    check: bool
    output_dir: Name

    @compared
    def _only_names_repositories(self) -> None:
        strangers = [name for name in self.only or () if name not in self.repositories]
        if strangers:
            known = " | ".join(self.repositories)
            raise ValueError(
                f"only={strangers[0]} is not one of {known}{nearest(strangers[0], self.repositories)}"
            )

    @compared
    def _checks_or_sends(self) -> None:
        if self.check and not self.dry_run:
            raise ValueError("check=true sends nothing: leave out dry_run=false")

    run = deferred("ohlora.publish.publishing", "run_publish")
