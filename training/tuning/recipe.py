"""A recipe: every choice that changes what is learnt, in one frozen object, read from TOML.

The length of a run and its learning rate follow from it.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from training.types import TrainingError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RECIPES = Path(__file__).parent.parent / "recipes"

_METHODS = ("lora", "qlora")
_LAYERS = ("all", "top-half")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to tune. Recipes in TOML and the command line's flags use these names."""

    # The prompt.
    prefix_tokens: int = 512
    """The window before the cursor."""
    suffix_tokens: int = 256
    """The window after the cursor."""
    snippet_tokens: int = 256
    """The window of other files' snippets."""
    healing: bool = True
    """As served."""
    spm_share: float = 0.75
    """The share of examples with the suffix first."""
    context_share: float = 0.75
    """The share of examples that keep their snippets."""
    general_share: float = 0.0
    """The share of examples that are general code, so that little is forgotten."""

    # The adapter.
    method: str = "lora"
    """lora, or qlora (the base in 4 bits; CUDA only)."""
    rank: int = 16
    """Of the low-rank matrices."""
    alpha: int = 32
    """Their scale is alpha / rank."""
    dropout: float = 0.0
    rslora: bool = False
    """Scale by alpha / sqrt(rank)."""
    dora: bool = False
    """Learn magnitudes apart; a DoRA adapter can't be merged, so only torch serves it."""
    layers: str | int = "all"
    """all, top-half, or the number of layers from the top. The backward pass ends with the lowest
    of them, so fewer layers train faster."""

    # The length, one of three; 0: not this one.
    epochs: int = 1
    """Passes over the training split."""
    tokens: int = 0
    """In all."""
    minutes: float = 0.0
    """Of the clock; the number of tokens is computed from it before the first step."""

    # The steps.
    step_tokens: int = 8192
    """Of one optimizer step."""
    row_tokens: int = 2048
    """Of one forward pass."""
    learning_rate: float = 4e-4
    """At its peak, after the warm-up; a cosine lowers it from there."""
    warmup_share: float = 0.05
    """The share of the run in which the learning rate rises."""
    final_rate_share: float = 0.05
    """The share of the learning rate that is left at the end."""
    weight_decay: float = 0.0
    """AdamW's."""
    clip_norm: float = 1.0
    """The gradient's largest norm."""
    checkpointing: bool = False
    """Compute activations twice rather than keep them."""

    # Watching.
    validations: int = 5
    """How many in a run, the last at its end."""
    validation_examples: int = 128
    """Of the validation split."""
    general_examples: int = 64
    """Of the standard library, where forgetting shows."""
    patience: int = 3
    """Validations without a better loss until the run ends; 0: never ends it."""
    checkpoint_steps: int = 20
    """From one checkpoint to the next."""

    seed: int = 0
    """Of every choice."""

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= (value := getattr(self, name)) <= high:
                raise TrainingError(
                    f"{name} = {value} is out of range", hint=f"from {low:g} to {high:g}"
                )
        if self.method not in _METHODS:
            raise TrainingError(f"no method {self.method!r}", hint=f"one of {', '.join(_METHODS)}")
        named = isinstance(self.layers, str)
        if (self.layers not in _LAYERS) if named else (int(self.layers) < 1):
            raise TrainingError(
                f"layers = {self.layers!r} makes no sense",
                hint=f"{', '.join(_LAYERS)}, or how many layers from the top",
            )
        lengths = [name for name in ("epochs", "tokens", "minutes") if getattr(self, name)]
        if len(lengths) != 1:
            raise TrainingError(
                f"a run's length is one of epochs, tokens and minutes, not {' and '.join(lengths)}"
                if lengths
                else "a run needs a length",
                hint="set one of them, the others to 0",
            )

    def with_changes(self, changes: Mapping[str, object], *, source: str) -> Recipe:
        """A copy with other values; a new length takes the old one's place.

        Raises:
            TrainingError: a key is unknown or a value of the wrong type; names ``source``.
        """
        types = get_type_hints(Recipe)
        for key, value in changes.items():
            if key not in types:
                nearest = difflib.get_close_matches(key, types, n=1)
                raise TrainingError(
                    f"unknown key {key!r} in {source}",
                    hint=f"did you mean {nearest[0]!r}?" if nearest else ", ".join(types),
                )
            accepted = get_args(types[key]) or (types[key],)
            if float in accepted:
                accepted = (float, int)
            if type(value) not in accepted:
                raise TrainingError(
                    f"{key} in {source} is {value!r}",
                    hint="it takes " + " or ".join(kind.__name__ for kind in accepted),
                )
        given = {"epochs", "tokens", "minutes"} & {key for key, value in changes.items() if value}
        cleared: dict[str, Any] = {"epochs": 0, "tokens": 0, "minutes": 0.0} if given else {}
        return dataclasses.replace(self, **{**cleared, **changes})


_BOUNDS: dict[str, tuple[float, float]] = {
    "prefix_tokens": (16, 1 << 17),
    "suffix_tokens": (0, 1 << 17),
    "snippet_tokens": (0, 1 << 17),
    "spm_share": (0, 1),
    "context_share": (0, 1),
    "general_share": (0, 0.9),
    "rank": (1, 4096),
    "alpha": (1, 1 << 16),
    "dropout": (0, 0.9),
    "epochs": (0, 10_000),
    "tokens": (0, 1e15),
    "minutes": (0, 1e6),
    "step_tokens": (1, 1 << 26),
    "row_tokens": (32, 1 << 20),
    "learning_rate": (1e-9, 1),
    "warmup_share": (0, 1),
    "final_rate_share": (0, 1),
    "weight_decay": (0, 10),
    "clip_norm": (1e-6, 1e6),
    "validations": (1, 10_000),
    "validation_examples": (0, 1 << 20),
    "general_examples": (0, 1 << 20),
    "patience": (0, 10_000),
    "checkpoint_steps": (1, 1 << 30),
    "seed": (0, 2**62),
}


def recipe_names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def default_recipe(*, cuda: bool, goes_on: bool) -> str:
    """The name of the recipe for a GPU or a CPU; on the latter, goes_on: from an adapter that can
    fill in already.
    """
    if cuda:
        return "default-gpu"
    return "cpu-further" if goes_on else "cpu-small"


def load_recipe(name_or_path: str) -> Recipe:
    """A recipe of the package by its name, or any TOML file.

    Raises:
        TrainingError: there is none, it isn't TOML, or a key or value in it is wrong.
    """
    packaged = RECIPES / f"{name_or_path}.toml"
    path = packaged if packaged.is_file() else Path(name_or_path).expanduser()
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        nearest = difflib.get_close_matches(name_or_path, recipe_names(), n=1)
        raise TrainingError(
            f"no recipe {name_or_path!r}: {error.strerror}",
            hint=f"did you mean {nearest[0]!r}?" if nearest else ", ".join(recipe_names()),
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is not TOML: {error}") from error
    return Recipe().with_changes(values, source=str(path))


@dataclass(frozen=True, slots=True)
class Plan:
    """A run's length, which a resumed run takes over; a run by ``minutes`` adapts it."""

    unit: Literal["examples", "tokens"]
    total: int
    """Training examples (of all epochs) or tokens."""

    def paced(self, *, tokens: int, tokens_per_s: float, seconds_left: float) -> Plan:
        """The plan of a run by the clock, now that it is known how fast it goes."""
        return dataclasses.replace(self, total=tokens + max(0, int(tokens_per_s * seconds_left)))

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
