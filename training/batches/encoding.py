"""From an example to token ids, in the mix of orders and contexts that serving will see."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from fimls.fim import (
    Budget,
    FimFormat,
    Order,
    PromptBuilder,
    TokenizedExample,
    Tokenizer,
    encode_example,
)
from training.types import FimExample


@dataclass(frozen=True, slots=True)
class EncodingOptions:
    """How examples become prompts."""

    budget: Budget = field(default_factory=Budget)
    """As served."""
    spm_share: float = 0.75
    """Of the examples that have the suffix first; the others have the prefix first. All have the
    format's order where it has only one."""
    context_share: float = 0.75
    """Of the examples that keep their snippets, so that the model also learns to do without."""
    healing: bool = True
    """As served."""
    seed: int = 0
    """Of both draws."""


class ExampleEncoder:
    """Encodes examples through the serving prompt builder, one for each order."""

    def __init__(self, row: FimFormat, tokenizer: Tokenizer, options: EncodingOptions) -> None:
        """Make the builders.

        Raises:
            PromptError: the format's control tokens aren't in the tokenizer.
        """
        self._options = options
        shares = {Order.SPM: options.spm_share, Order.PSM: 1 - options.spm_share}
        orders = [order for order in row.layouts if shares[order] > 0] or [row.default_order]
        self._builders = {
            order: PromptBuilder(row, tokenizer, options.budget, order, options.healing)
            for order in orders
        }

    @property
    def builders(self) -> Mapping[Order, PromptBuilder]:
        """The builders, by the orders that are trained."""
        return self._builders

    def encode(self, example: FimExample, *, epoch: int, index: int) -> TokenizedExample:
        """The example's ids and labels; its order and context are drawn anew in each epoch.

        index: of the example in the epoch. The draws depend on seed, epoch and index alone.

        Raises:
            PromptError: the budget leaves no room for the code before the cursor.
        """
        order = self._order(self._draw("order", epoch, index))
        context = example.context
        if self._draw("context", epoch, index) >= self._options.context_share:
            context = dataclasses.replace(context, snippets=())
        return encode_example(context, example.middle, self._builders[order])

    def _order(self, draw: float) -> Order:
        wanted = Order.SPM if draw < self._options.spm_share else Order.PSM
        return wanted if wanted in self._builders else next(iter(self._builders))

    def _draw(self, what: str, epoch: int, index: int) -> float:
        """A number in [0, 1), the same on every machine."""
        key = f"{what} {self._options.seed} {epoch} {index}".encode()
        return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") / 2**64
