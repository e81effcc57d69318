"""`from_pretrained` and `save_pretrained` of our models, by huggingface_hub's ModelHubMixin.

Only our own pair of files is read, safetensors and a JSON card; PyTorchModelHubMixin would fall back to a
pickle.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError, RepositoryNotFoundError

from ohlora.errors import OhloraError, nearest
from ohlora.text import printable

# The file config.json of a published model. The JSON card says all there is to say, but by this file the Hub
# counts downloads, and without it ModelHubMixin loads nothing from its cache when there is no network.
CONFIG = {"library_name": "ohlora"}
README = """---
{{ card_data }}
---

A model of ohlora, read by its `from_pretrained`; the JSON card beside the weights says how it was made.
"""


class Pretrained(
    ModelHubMixin,
    ABC,
    library_name="ohlora",
    license="mit",
    model_card_template=README,
):
    """To be inherited together with a model that is written as `<name>.safetensors` and `<name>.json`."""

    _hub_mixin_config = CONFIG

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, name: str) -> Any:
        """The model of the two files in `folder`; OhloraError where they are not one."""

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Any:
        """The model in a folder or, by owner/name, on the Hub; OhloraError where it is none.

        `options`: name (of the two files), revision, token, cache_dir, force_download, local_files_only.
        """
        try:
            return super().from_pretrained(pretrained_model_name_or_path, **options)
        # The last two: a config.json of another shape.
        except (HTTPError, OSError, ValueError, AttributeError, TypeError) as error:
            place = printable(pretrained_model_name_or_path)
            raise OhloraError(f"no model at {place}, here or on the Hub: {why(error)}") from None

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        name: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        **others: Any,
    ) -> Any:
        if others:
            raise OhloraError(f"from_pretrained of {model_id} knows name, and not {', '.join(others)}")
        folder = Path(model_id)
        if not folder.is_dir():
            fetched = snapshot_download(
                model_id,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
                allow_patterns=["*.json", f"{name}.safetensors"],
            )
            folder = Path(fetched)
            cards = sorted({path.stem for path in folder.glob("*.json")} - {"config"})
            if name not in cards:
                has = " | ".join(cards) or "no model of ours"
                raise OhloraError(f"{model_id} on the Hub has no {name} but {has}{nearest(name, cards)}")
        return cls.read(folder, name)


def why(error: BaseException) -> str:
    """What the Hub, the network or huggingface_hub has against it, in one line without advice."""
    if isinstance(error, RepositoryNotFoundError):
        return "no such repository there, or this token may not see it"
    if isinstance(error, HfHubHTTPError) and error.server_message:
        return f"{error.response.status_code}, {' '.join(error.server_message.split())}"
    if isinstance(error, RuntimeError) and error.__cause__:  # an upload that broke off
        return why(error.__cause__)
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
