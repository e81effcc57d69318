"""Warm start: an encoder that begins with an identity embedder's weights."""

from __future__ import annotations

import torch
from torch import nn

from ohlora.face.trained.vae import FaceEncoder
from ohlora.laboratory.networks.identity import IdentityNetwork


def warm_start(encoder: FaceEncoder, embedder: IdentityNetwork) -> bool:
    """Copy the embedder's convolutions and dense layer into the encoder; False where their shapes differ.

    Glasses and irises are few pixels: an encoder with random weights is long in finding them.
    """
    known, dense = embedder.body.state_dict(), encoder.hidden.weight
    own = encoder.body.state_dict()
    *_, last = (part for part in embedder.body if isinstance(part, nn.Linear))
    rows, columns = last.weight.shape
    if any(key not in known or known[key].shape != value.shape for key, value in own.items()):
        return False
    if columns > dense.shape[1] or rows > dense.shape[0]:
        return False
    encoder.body.load_state_dict({key: known[key] for key in own})
    with torch.no_grad():
        dense[:rows] = 0
        dense[:rows, :columns] = last.weight
        encoder.hidden.bias[:rows] = last.bias
    return True
