"""From an example to token ids, in the mix of orders and contexts that serving will see."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

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


class ExampleEncoder:
    """Encodes examples through the serving prompt builder, one for each order."""

    def __init__(
        self,
        row: FimFormat,
        tokenizer: Tokenizer,
        *,
        budget: Budget,
        spm_share: float,
        context_share: float,
        healing: bool,
        seed: int,
    ) -> None:
        """Make the builders.

        budget, healing: as served.
        spm_share: of the examples that have the suffix first; the others have the prefix first. All
            have the format's order where it has only one.
        context_share: of the examples that keep their snippets, so that the model also learns to do
            without.
        seed: of both draws.

        Raises:
            PromptError: the format's control tokens aren't in the tokenizer.
        """
        self._spm_share = spm_share
        self._context_share = context_share
        self._seed = seed
        shares = {Order.SPM: spm_share, Order.PSM: 1 - spm_share}
        orders = [order for order in row.layouts if shares[order] > 0] or [row.default_order]
        self._builders = {
            order: PromptBuilder(row, tokenizer, budget, order, healing) for order in orders
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
        if self._draw("context", epoch, index) >= self._context_share:
            context = dataclasses.replace(context, snippets=())
        return encode_example(context, example.middle, self._builders[order])

    def _order(self, draw: float) -> Order:
        wanted = Order.SPM if draw < self._spm_share else Order.PSM
        return wanted if wanted in self._builders else next(iter(self._builders))

    def _draw(self, what: str, epoch: int, index: int) -> float:
        """A number in [0, 1), the same on every machine."""
        key = f"{what} {self._seed} {epoch} {index}".encode()
        return int.from_bytes(hashlib.sha256(key).digest()[:8], "big") / 2**64
