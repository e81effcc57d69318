"""How long and how fast a language model is trained."""

from __future__ import annotations

from ohlora.config import Count, NotNegative, Positive, Share, config


@config
class Schedule:
    """Optimiser steps, batches and rates of one training."""

    epochs: Positive
    max_steps: Count | None  # fewer optimiser steps than the epochs would take
    batch_size: Count  # sequences in one forward pass of one process
    accumulate: Count  # forward passes to an optimiser step
    learning_rate: Positive  # peak; a cosine takes it to zero
    warmup: Share  # share of the steps
    weight_decay: NotNegative
    checks: Count  # evaluations, evenly spread; a checkpoint is kept at each
    patience: Count | None  # of them without a better loss: stop

    def steps(self, rows: int, processes: int = 1) -> int:
        """Optimiser steps for so many training rows."""
        steps = max(1, round(self.epochs * rows / (self.batch_size * self.accumulate * processes)))
        return min(steps, self.max_steps or steps)
