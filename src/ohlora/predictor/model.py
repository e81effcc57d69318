"""An ensemble of small networks: features + hyperparameters -> expected macro-F1, with its spread."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ohlora.predictor.jobs import PredictorSettings


class Ensemble(LightningModule):
    """`members` two-layer networks side by side as one stacked tensor; each gives a macro-F1, 0 to 1.

    Inputs are standardised features [n, features] and encoded params [n, columns]. Members differ by
    their start and by the subsets each is trained on (a bootstrap over subsets), so their spread grows
    where the table says little.
    """

    def __init__(self, n_features: int, n_columns: int, settings: PredictorSettings) -> None:
        super().__init__()
        self.settings = settings
        m, w = settings.members, settings.width
        self.feature_layer = Stacked(m, n_features, w)
        self.param_layer = Stacked(m, n_columns, w, bias=False)
        self.hidden = Stacked(m, w, w)
        self.out = Stacked(m, w, 1)
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, features: Tensor, params: Tensor) -> Tensor:
        """Macro-F1 by each member, [members, n]; one row of features serves every row of params.

        Features [subsets, 1, 1, features] are weighed against all the params: [subsets, members, n].
        """
        x = F.silu(self.feature_layer(features) + self.param_layer(params))
        x = F.silu(self.hidden(self.dropout(x)))
        return torch.sigmoid(self.out(self.dropout(x)).squeeze(-1))

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        features, params, target, group, weight = batch
        error = self(features, params) - target  # [members, rows]
        n_groups = int(group.max()) + 1
        count = torch.zeros(n_groups).index_add(0, group, torch.ones(len(group))).clamp_min(1)
        level = torch.zeros(len(error), n_groups).index_add(1, group, error) / count
        within = error - level[:, group]
        return (weight * (error.square() + self.settings.within_weight * within.square())).mean()

    def configure_optimizers(self):
        s = self.settings
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay, fused=True
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * min(epoch / s.epochs, 1)))
        )
        return [optimizer], [scheduler]


class Stacked(nn.Module):
    """`members` linear layers as one: [n, inputs] or [members, n, inputs] -> [members, n, outputs]."""

    def __init__(self, members: int, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__()
        bound = (3 / inputs) ** 0.5 if inputs else 0.0
        self.weight = nn.Parameter(torch.empty(members, inputs, outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, 1, outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        y = torch.matmul(x, self.weight)
        return y if self.bias is None else y + self.bias


@dataclass
class SubsetBatches:
    """Rows of whole subsets at a time, so that the order inside a subset can be learned from."""

    features: Tensor  # [rows, features]
    params: Tensor  # [rows, columns]
    target: Tensor  # [rows]
    group: Tensor  # int64 [rows], 0 to groups - 1
    weights: Tensor  # [members, groups]: how often each member drew each subset
    subsets_per_batch: int
    generator: torch.Generator

    def __len__(self) -> int:
        return math.ceil(self.weights.shape[1] / self.subsets_per_batch)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = torch.randperm(self.weights.shape[1], generator=self.generator)
        for chosen in order.split(self.subsets_per_batch):
            rows = torch.isin(self.group, chosen).nonzero().flatten()
            group = torch.unique(self.group[rows], return_inverse=True)[1]
            yield (
                self.features[rows],
                self.params[rows],
                self.target[rows],
                group,
                self.weights[:, self.group[rows]],
            )
