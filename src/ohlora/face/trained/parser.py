"""A face parser: any network that says which of our classes every pixel is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ohlora.errors import OhloraError

if TYPE_CHECKING:  # a setting is checked before torch is needed
    from torch import Tensor

# images [faces, 3, rows, columns], -1 to 1 -> logits [faces, 11, rows, columns]
Parser = Callable[["Tensor"], "Tensor"]


@runtime_checkable
class ParserSettings(Protocol):
    """Names a parser, or none."""

    def load(self) -> Parser | None: ...


def class_logits(parser: Parser, images: Tensor) -> Tensor:
    """A parser's logits of images; OhloraError where they are not 11 a pixel."""
    import torch

    from ohlora.face.drawing import classes

    with torch.no_grad():
        logits = parser(images)
    wanted = (len(images), len(classes.CLASSES), *images.shape[-2:])
    if logits.shape != wanted:
        raise OhloraError(f"the parser gave {list(logits.shape)} instead of {list(wanted)}")
    return logits
