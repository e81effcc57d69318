"""What is in a repository: files of a folder, the model card made of their JSON cards, config.json."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ohlora.errors import OhloraError
from ohlora.pretrained import CONFIG
from ohlora.publish.cards import card_of
from ohlora.publish.jobs import Repository

# Weights and tables that are data; a pickle runs code where it is read.
SENT = {".safetensors", ".parquet", ".json", ".jinja", ".txt", ".model"}


@dataclass(frozen=True)
class Content:
    """One file of a repository."""

    path: str  # in the repository
    source: Path | bytes  # where it lies, or what is in it

    @cached_property
    def data(self) -> bytes:
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    @property
    def size(self) -> int:
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def git_oid(self) -> str:
        """The digest git has of a file: the Hub knows small files by it, large ones by their SHA-256."""
        return hashlib.sha1(b"blob %d\0" % self.size + self.data).hexdigest()


def contents_of(repository: Repository, repo_id: str) -> list[Content]:
    """Every file of a repository, README.md first. Raises OhloraError with every fault."""
    folder = Path(repository.folder).expanduser()
    found: dict[str, Content] = {}
    faults = []
    for pattern in repository.files:
        matched = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not matched:
            faults.append(f"{folder} has no {pattern}")
        for path in matched:
            name = path.relative_to(folder).as_posix()
            found[name] = Content(name, path)
            if path.suffix not in SENT:
                faults.append(f"{path} is not published: only {' | '.join(sorted(SENT))}")
    if faults:
        raise OhloraError("; ".join(faults))
    cards = {name: read_card(one) for name, one in found.items() if name.endswith(".json")}
    digests = {one.sha256 for name, one in found.items() if name.endswith(".safetensors")}
    faults = [
        f"{folder / name} was written for other weights than lie beside it"
        for name, card in cards.items()
        if (said := stated_digest(card)) and said not in digests
    ]
    if faults:
        raise OhloraError("; ".join(faults))
    made = [Content("README.md", card_of(repository, repo_id, folder, cards).encode())]
    if repository.pretrained:
        made.append(Content("config.json", (json.dumps(CONFIG, indent=2) + "\n").encode()))
    return [*made, *found.values()]


def read_card(content: Content) -> dict[str, Any]:
    try:
        card = json.loads(content.data)
    except (ValueError, RecursionError) as error:
        raise OhloraError(f"{content.source} is not JSON ({error})") from None
    if not isinstance(card, dict):
        raise OhloraError(f"{content.source} is not a table of names and values")
    return card


def stated_digest(card: dict[str, Any]) -> str | None:
    """The SHA-256 of the weights that a JSON card was written for, if it is such a card."""
    weights = card.get("weights")
    return weights.get("sha256") if isinstance(weights, dict) else card.get("weights_sha256")
