"""How long a run is, and the learning rate along it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from training.tuning.recipe import Recipe
from training.types import TrainingError


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's length: what a resumed run takes over.

    total: training examples (all epochs') or tokens. A run by ``minutes`` adapts it to the machine.
    """

    unit: Literal["examples", "tokens"]
    total: int

    def paced(self, *, tokens: int, tokens_per_s: float, seconds_left: float) -> Plan:
        """The plan of a run by the clock, now that it is known how fast it goes."""
        return replace(self, total=tokens + max(0, int(tokens_per_s * seconds_left)))

    def progress(self, *, examples: int, tokens: int) -> float:
        """How much of the run is done, in [0, 1]."""
        done = examples if self.unit == "examples" else tokens
        return min(1.0, done / self.total)


def learning_rate(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then a cosine (Loshchilov and Hutter 2017); progress in [0, 1]."""
    if progress < recipe.warmup_share:
        return recipe.learning_rate * progress / recipe.warmup_share
    left = (1 - progress) / max(1 - recipe.warmup_share, 1e-9)
    floor = recipe.final_rate_share
    return recipe.learning_rate * (floor + (1 - floor) * (1 - math.cos(math.pi * left)) / 2)


def validations_due(progress: float, count: int) -> int:
    """How many should be done by now: one at the start, then ``count`` spread to the run's end."""
    return 1 + math.floor(progress * count + 1e-9)


def plan_run(recipe: Recipe, *, examples: int, tokens_per_s: float, other_tokens: int) -> Plan:
    """Fix a run's length, or where it is by the clock, guess it.

    tokens_per_s: measured; used for ``minutes`` alone. other_tokens: of all validations, which
    only go forwards and so take less than half as long.

    Raises:
        TrainingError: the minutes don't suffice for validating.
    """
    if recipe.epochs:
        return Plan("examples", recipe.epochs * examples)
    if recipe.tokens:
        return Plan("tokens", recipe.tokens)
    tokens = int(recipe.minutes * 60 * tokens_per_s - other_tokens / 2)
    if tokens < recipe.step_tokens:
        raise TrainingError(
            f"{recipe.minutes:g} minutes at {tokens_per_s:.0f} tokens/s are over before a step of "
            f"{recipe.step_tokens} tokens and the validations are done",
            hint="give it more minutes, or fewer validation_examples and validations",
        )
    return Plan("tokens", tokens)
