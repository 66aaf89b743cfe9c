"""What decides a dataset's contents."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from fimls.fim import Budget
from fimls.types import ConfigError
from training.corpus.files import Limits
from training.corpus.splits import SplitUnit
from training.spans import DEFAULT_MIX
from training.types import SpanKind, Split

MAX_FILE_BYTES = 300_000
"""Of a file. Parsing is bounded by time: the spans of a longer one would depend on the machine."""

_HELD_OUT_MAX = 0.9
# A small repository is learnt thoroughly; in a big corpus more files teach more than more spans of
# each, and every span's context takes time.
_CHARS_PER_SPAN = 512
_FEW_EXAMPLES = 2_000
_CHARS_PER_SPAN_OF_MANY = 65_536


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a dataset's contents, and nothing else."""

    sources: tuple[str, ...]
    """As :func:`training.corpus.open_sources` takes them."""
    public: bool = False
    """Whether a file needs an allowed licence."""
    split: SplitUnit = "file"
    """What is held out as a whole."""
    holdout: float = 0.1
    """The test split's share."""
    validation: float = 0.05
    """The validation split's share."""
    newest: bool = False
    """Hold out what changed last, rather than what chance picks."""
    examples: int | None = None
    """How many at most; None for :meth:`wanted`'s default."""
    spans_per_kb: float | None = None
    """Instead of ``examples``."""
    mix: Mapping[SpanKind, float] = field(default_factory=lambda: dict(DEFAULT_MIX))
    """Weights of the kinds of spans."""
    context: bool = True
    """Whether examples have snippets."""
    budget: Budget = field(default_factory=Budget)
    """Of the prompts that the snippets are chosen for."""
    tokenizer_sha256: str = ""
    """Of the tokenizer that counts the snippets' tokens; "" without context."""
    limits: Limits = field(default_factory=lambda: Limits(max_bytes=MAX_FILE_BYTES))
    """Which files are worth learning from."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked without looking at a source.

        Raises:
            ConfigError: a value is out of range, or two contradict each other.
        """
        if not self.sources:
            raise ConfigError("no source is named", hint="name a folder, or see `fimls prepare -h`")
        if self.split not in get_args(SplitUnit):
            raise ConfigError(f"split: {self.split!r}", hint="file, function or repository")
        held = self.holdout + self.validation
        if min(self.holdout, self.validation) < 0 or not held <= _HELD_OUT_MAX:
            raise ConfigError(
                f"holdout {self.holdout} and validation {self.validation} are out of range",
                hint=f"neither below 0, together {_HELD_OUT_MAX} at most",
            )
        if self.examples is not None and self.spans_per_kb is not None:
            raise ConfigError("examples and spans-per-kb can't both be given", hint="choose one")
        if self.examples is not None and self.examples < 1:
            raise ConfigError(f"examples: {self.examples}", hint="1 or more")
        if self.spans_per_kb is not None and not 0 < self.spans_per_kb < math.inf:
            raise ConfigError(f"spans-per-kb: {self.spans_per_kb}", hint="more than 0")

    @property
    def fractions(self) -> dict[Split, float]:
        """The shares of the held-out splits."""
        return {Split.TEST: self.holdout, Split.VALIDATION: self.validation}

    def wanted(self, chars: int) -> float:
        """How many examples to draw from this many characters.

        By default two for each KB up to 2,000, then one for each 64 KB where that is more.
        """
        if self.spans_per_kb is not None:
            return chars / 1024 * self.spans_per_kb
        if self.examples is not None:
            return self.examples
        few = min(chars / _CHARS_PER_SPAN, _FEW_EXAMPLES)
        return max(few, chars / _CHARS_PER_SPAN_OF_MANY)

    def to_json(self) -> dict[str, object]:
        """As ``dataset.json`` has them."""
        data = dataclasses.asdict(self)
        return {**data, "mix": {kind.value: weight for kind, weight in self.mix.items()}}
