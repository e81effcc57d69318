"""How many members a stack may have: what its networks keep for the backward pass, against what is free."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from functools import cache

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ohlora.datasets.loading import EVAL_BATCH
from ohlora.trials.cnn import CnnClassifier
from ohlora.trials.protocol import CnnSettings
from ohlora.trials.stack_members import StackedTrial

MEMBERS_ON_CPU = 8  # more gain nothing: what is left of a step is arithmetic
GPU_MEMORY_SHARE = 0.6  # of what is free when a stack starts; cuDNN's workspaces take from the rest
COPIES = 6  # of a member's weights: themselves, gradients, both moments, the best so far, one cast


def fitting_members(
    trials: Iterable[StackedTrial], network: CnnSettings, device: torch.device, precision: str
) -> int:
    """How many members a stack of these trials may have on this device."""
    if device.type != "cuda":
        return MEMBERS_ON_CPU
    trials = list(trials)
    batch = max(min(trial.batch_size, len(trial.subset.train)) for trial in trials)
    classes = max(len(trial.subset.class_names) for trial in trials)
    # A half-precision map takes two bytes a number; weights and their copies stay in float32.
    element = 2 if precision == "bf16" else 4
    an_image, weights = footprint(network, trials[0].subset.image_shape, classes, element)
    # A validation sees EVAL_BATCH images, and keeps nothing for a backward pass.
    a_member = max(batch, EVAL_BATCH // 2) * an_image + COPIES * 4 * weights
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, int(GPU_MEMORY_SHARE * free / a_member))


@cache
def footprint(
    network: CnnSettings, image_shape: tuple[int, int, int], n_classes: int, element: int
) -> tuple[int, int]:
    """Bytes a training step holds for each image at its peak, and how many weights a member has.

    Counted on torch's meta device, which computes shapes alone: what autograd saves for the backward pass,
    and the gradients of the largest map on top. `element` is the bytes of a number in a map.
    """
    params = {"dropout_conv_early": 0.1, "dropout_conv_late": 0.1, "dropout_fc": 0.1, "activation": "relu"}
    with torch.device("meta"):
        module = CnnClassifier(dict(params), asdict(network), image_shape, n_classes, total_steps=1)
        few, more = (saved_bytes(module, torch.empty(n, *image_shape), element) for n in (2, 4))
    largest = max(more) // 4
    return (sum(more) - sum(few)) // 2 + 2 * largest, sum(p.numel() for p in module.parameters())


def saved_bytes(module: CnnClassifier, images: Tensor, element: int) -> list[int]:
    """Bytes of each tensor that autograd saves in a forward pass; each storage once, weights left out."""
    weights = {p.untyped_storage()._cdata for p in module.parameters()}
    saved: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        module(images.contiguous(memory_format=torch.channels_last))
    return [
        tensor.numel() * (element if tensor.is_floating_point() else tensor.itemsize)
        for key, tensor in saved.items()
        if key not in weights
    ]
