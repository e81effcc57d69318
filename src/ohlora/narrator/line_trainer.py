"""TRL's supervised fine-tuning, at a CPU's pace too."""

from __future__ import annotations

from typing import Any

from transformers import Trainer
from trl import SFTTrainer


class LineTrainer(SFTTrainer):
    """SFTTrainer whose loss on a CPU is the model's own.

    TRL 1.x never holds all logits at once: a GPU's memory is saved, but on a CPU every position of the prompt
    is scored as well, twice, which takes as long as the rest of the step together.
    """

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if self.args.device.type == "cpu":
            return Trainer.compute_loss(self, model, inputs, *args, **kwargs)
        return super().compute_loss(model, inputs, *args, **kwargs)
