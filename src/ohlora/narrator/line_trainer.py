"""TRL's supervised fine-tuning, at a CPU's pace too."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import Trainer
from trl import SFTTrainer

IGNORED = -100  # the label of a token that is not learned


class LineTrainer(SFTTrainer):
    """SFTTrainer that on a CPU computes logits only where a token is learned.

    TRL 1.x never holds all logits at once: a GPU's memory is saved, but on a CPU every position of the prompt
    is scored as well, twice, which takes as long as the rest of the step together.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.args.device.type == "cpu":
            self.compute_loss_func = loss_of_scored

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        if self.args.device.type != "cpu":
            return super().compute_loss(model, inputs, *args, **kwargs)
        columns = {**inputs, "logits_to_keep": scored(inputs["labels"])}
        return Trainer.compute_loss(self, model, columns, *args, **kwargs)


def scored(labels: torch.Tensor) -> torch.Tensor:
    """Positions after which some row of the batch has a token that is learned."""
    return torch.nonzero((labels[:, 1:] != IGNORED).any(dim=0)).flatten()


def loss_of_scored(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
    """Cross-entropy of the tokens that are learned, where only `scored` positions have logits."""
    targets = labels[:, scored(labels) + 1].flatten()
    count = (targets != IGNORED).sum() if num_items_in_batch is None else num_items_in_batch
    return cross_entropy(outputs["logits"].flatten(0, 1).float(), targets, reduction="sum") / count
