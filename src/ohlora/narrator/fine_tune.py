"""Give a language model Oh-LoRA's voice: python -m ohlora fine-tune narrator=tiny|gemma|kanana.

TRL's supervised fine-tuning of a PEFT LoRA adapter on what `lessons.py` makes (conf/fine_tune.yaml).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt

from ohlora.config import Count, Index, Many, Name, Positive, compared, config, deferred, having
from ohlora.errors import need_packages
from ohlora.hardware import Hardware
from ohlora.loggers import LoggerChoice
from ohlora.narrator.facts import Persona
from ohlora.narrator.schedule import Schedule


@config
class Adapter:
    """A LoRA adapter (arXiv:2106.09685)."""

    rank: Count
    alpha: Positive
    dropout: Annotated[float, Ge(0), Lt(1)]
    targets: Name | Many[Name]  # names of the layers it sits beside
    trained_whole: Many[Name]  # names of layers that are trained themselves


@config
class FineTune:
    """Train an adapter, judge it on lines held out, keep it, merged into its model or alone."""

    model: str  # a folder, or a name on the Hub
    persona: Persona | None  # system prompt, by language
    lessons: Annotated[Any, having("rows")]  # Lessons, Rehearsal, or those of a conversation
    adapter: Adapter
    merge: bool  # keep the whole model, in half precision; else the adapter alone
    bits: Literal[4, 8] | None  # load the model quantised (bitsandbytes, CUDA)
    recompute: bool  # gradient checkpointing: a third more time for a fraction of the memory
    schedule: Schedule
    hardware: Hardware
    seed: Index
    resume: Name | None  # the folder of a killed run
    save_to: Name | None  # a folder: keep what was trained there as well
    output_dir: Name
    logger: LoggerChoice

    @compared
    def settings_agree(self) -> None:
        wrong = []
        if not self.model:
            wrong.append("fine_tuning.model is missing: the folder that pretraining leaves")
        if self.bits and self.merge:
            wrong.append(f"bits={self.bits} is not null where the model is merged")
        if wrong:
            raise ValueError("; ".join(wrong))

    train = deferred("ohlora.narrator.fine_tuning", "fine_tune")

    def run(self) -> float:
        """Return the loss on held-out lines, nats a token."""
        need_packages("narrator", "trl", "peft", "datasets", "accelerate")
        return self.train()
