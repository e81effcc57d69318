"""How every network of this room is trained: by steps under Lightning's Trainer that can be resumed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ohlora.laboratory.sources.dataset import step_seed
from ohlora.laboratory.sources.faces import Faces
from ohlora.processes import share, world_size
from ohlora.schedules import one_cycle


class Learner(LightningModule, ABC):
    """A network and what it should do less wrongly (`losses`), by AdamW under one cycle.

    Whatever a step draws at random depends on seed and step alone, so a run that was stopped ends where it
    would have ended.
    """

    def __init__(
        self, network: nn.Module, learning_rate: float, weight_decay: float, total_steps: int, seed: int
    ) -> None:
        super().__init__()
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.total_steps = total_steps
        self.seed = seed
        self.save_hyperparameters("learning_rate", "weight_decay", "total_steps", "seed")

    @abstractmethod
    def losses(self, faces: Faces, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss`, which is to fall, and its parts."""

    def generator(self) -> torch.Generator:
        """What this step draws from."""
        return torch.Generator().manual_seed(step_seed(self.seed, self.global_step))

    def training_step(self, faces: Faces, batch_idx: int) -> Tensor:
        parts = self.losses(faces, self.generator())
        metrics = {f"train_{name}": value.detach() for name, value in parts.items()}
        self.log_dict(metrics, batch_size=len(faces), sync_dist=world_size() > 1)
        return parts["loss"] * share(len(faces))

    def validation_step(self, faces: Faces, batch_idx: int) -> None:
        parts = self.losses(faces, torch.Generator().manual_seed(batch_idx))
        metrics = {f"val_{name}": value for name, value in parts.items()}
        self.log_dict(metrics, batch_size=len(faces), sync_dist=self.trainer.world_size > 1)

    def configure_optimizers(self) -> dict[str, Any]:  # type: ignore[override]
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay, fused=True
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: one_cycle(step / self.total_steps)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
