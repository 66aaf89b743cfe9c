"""From examples to packed batches of token ids, in an order that can be resumed anywhere."""

from training.batches.encoding import ExampleEncoder
from training.batches.stream import (
    Encode,
    ExampleSource,
    Item,
    PackedRow,
    Position,
    StepStream,
    TokenStep,
    pack,
)

__all__ = [
    "Encode",
    "ExampleEncoder",
    "ExampleSource",
    "Item",
    "PackedRow",
    "Position",
    "StepStream",
    "TokenStep",
    "pack",
]
