"""The one way a trained network is asked: in eval mode, without gradients, and twice the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

BATCH = 256


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients; afterwards every part is in the mode it was in."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes.items():
            module.training = training


def predict(
    network: nn.Module, *inputs: Tensor, ask: Callable[..., Tensor] | None = None, batch: int = BATCH
) -> Tensor:
    """What `network` (or `ask`, a function of it) says of the rows of `inputs`, on the CPU.

    RuntimeError where the first row is told otherwise a second time: dropout or noise is still on.
    """
    ask = ask or network
    device = next(network.parameters()).device
    with evaluating(network):
        first = [part[:1].to(device) for part in inputs]
        if not torch.equal(ask(*first), ask(*first)):
            raise RuntimeError(f"{type(network).__name__} answers the same question in two ways")
        parts = zip(*(part.split(batch) for part in inputs), strict=True)
        return torch.cat([ask(*(part.to(device) for part in rows)).cpu() for rows in parts])
