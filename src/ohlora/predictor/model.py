"""An ensemble of small networks: features + hyperparameters -> expected macro-F1, with its spread."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from ohlora.predictor.jobs import PredictorSettings


class Ensemble(LightningModule):
    """`members` two-layer networks side by side as one stacked tensor; each gives a macro-F1, 0 to 1.

    Inputs are standardised features [n, features] and encoded params [n, columns]. The second half of the
    members see the numeric ones as `piecewise_linear` too: kinds that err differently are together less often
    fooled by the best of many predictions. Members differ also by their start and by the subsets each is
    trained on (a bootstrap over subsets), so their spread grows where the table says little. Targets named in
    `auxiliary` are learned beside the score, from the same hidden layer, and asked for by nobody (multi-task
    learning; Caruana 1997): they are what else a trial says of its params.
    """

    def __init__(
        self,
        n_features: int,
        columns: Sequence[str],
        settings: PredictorSettings,
        auxiliary: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.settings = settings
        self.auxiliary = tuple(auxiliary)
        self.numeric = [i for i, name in enumerate(columns) if "=" not in name]  # others are one-hot
        m, w = settings.members, settings.width
        in_pieces = m // 2 if settings.bins > 1 else 0
        self.feature_layer = Stacked(m, n_features, w)
        self.param_layer = Stacked(m, len(columns), w, bias=False)
        pieces = settings.bins * len(self.numeric)
        self.piece_layer = Stacked(in_pieces, pieces, w, bias=False) if in_pieces else None
        self.hidden = Stacked(m, w, w)
        self.out = Stacked(m, w, 1 + len(self.auxiliary))
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, features: Tensor, params: Tensor) -> Tensor:
        """Macro-F1 by each member, [members, n]; one row of features serves every row of params.

        Features [subsets, 1, 1, features] are weighed against all the params: [subsets, members, n].
        """
        return self.outputs(features, params)[..., 0]

    def outputs(self, features: Tensor, params: Tensor) -> Tensor:
        """The score and the auxiliary targets, 0 to 1, as `forward` [..., 1 + auxiliary]."""
        x = self.feature_layer(features) + self.param_layer(params)
        if self.piece_layer is not None:
            seen = self.piece_layer(piecewise_linear(params[..., self.numeric], self.settings.bins))
            x = x + F.pad(seen, (0, 0, 0, 0, self.settings.members - len(seen), 0))  # none for the first half
        x = F.silu(self.hidden(self.dropout(F.silu(x))))
        return torch.sigmoid(self.out(self.dropout(x)))

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        features, params, targets, group, weight = batch
        # [members, rows, targets]; from what is missing nothing is learned
        error = torch.where(targets.isnan(), 0.0, self.outputs(features, params) - targets)
        n_groups = int(group.max()) + 1
        count = torch.zeros(n_groups).index_add(0, group, torch.ones(len(group))).clamp_min(1)
        level = torch.zeros(len(error), n_groups, error.shape[2]).index_add(1, group, error) / count[:, None]
        within = error - level[:, group]
        loss = error.square() + self.settings.within_weight * within.square()
        beside = self.settings.auxiliary_weight * loss[..., 1:].sum(dim=-1)
        return (weight * (loss[..., 0] + beside)).mean()

    def configure_optimizers(self):
        s = self.settings
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay, fused=True
        )
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 0.5 * (1 + math.cos(math.pi * min(epoch / s.epochs, 1)))
        )
        return [optimizer], [scheduler]


def piecewise_linear(x: Tensor, bins: int) -> Tensor:
    """Piecewise linear encoding of numbers from 0 to 1: [..., n] -> [..., n * bins].

    Each number is the share of every one of `bins` equal intervals that lies below it, so a linear layer on
    it is a function with a kink at each interval's end (Gorishniy et al. 2022, On Embeddings for Numerical
    Features in Tabular Deep Learning, eq. 1).
    """
    return (x[..., None] * bins - torch.arange(bins)).clamp(0, 1).flatten(-2)


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
    targets: Tensor  # [rows, 1 + auxiliary], nan where one is missing
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
                self.targets[rows],
                group,
                self.weights[:, self.group[rows]],
            )
