"""A small language model from nothing: python -m ohlora pretrain (conf/pretrain.yaml)."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Lt

from ohlora.config import Count, Index, Many, Name, Share, compared, config, deferred
from ohlora.errors import need_packages
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.narrator.corpus import TextSource
from ohlora.narrator.schedule import Schedule


@config
class NetworkShape:
    """The size of a Llama-type decoder (arXiv:2302.13971) with tied embeddings."""

    vocab_size: Annotated[int, Ge(256)]  # slots included
    width: Count
    layers: Count
    heads: Count
    inner: Count  # width of the gated feed-forward layer
    context: Annotated[int, Ge(8)]  # tokens at most

    @compared
    def heads_divide_the_width(self) -> None:
        if self.width % (2 * self.heads):  # rotary embeddings turn pairs
            raise ValueError(f"width={self.width} is not a multiple of 2 * heads={self.heads}")


@config
class Pretrain:
    """Read a corpus, make a tokenizer, train a model on packed text, keep both as a transformers folder."""

    sources: Many[TextSource]
    share: Share  # of every source's documents
    shape: NetworkShape
    block: Annotated[int, Ge(2)]  # tokens of a training sequence
    held_out: Annotated[float, Ge(0), Lt(1)]  # share of the documents that are only evaluated on
    schedule: Schedule
    hardware: Hardware
    seed: Index
    resume: Name | None  # the folder of a killed run
    output_dir: Name
    logger: LoggerChoice

    train = deferred("ohlora.narrator.pretraining", "pretrain")

    def run(self) -> float:
        """Return the evaluation loss, nats a character."""
        need_packages("pretraining", "accelerate", "datasets")
        return self.train()
