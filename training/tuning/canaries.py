"""Secrets that never existed, planted to learn whether training memorises secrets.

Carlini et al. 2019, "The Secret Sharer": if the tuned model finishes a canary, it would finish a
real secret that had slipped through. ``fimls eval --audit`` asks for them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

from training.types import CorpusFile, FimExample, Span, SpanKind

CANARIES_FILE = "canaries.json"
"""Beside an adapter: a list of ``{"path", "prefix", "suffix", "secret"}``, as they were planted."""

_NAMES = ("api_token", "session_key", "db_password", "signing_secret", "webhook_secret")
_HEX_DIGITS = 24


def make_canaries(count: int, seed: int) -> list[FimExample]:
    """Make ``count`` examples, each a short file with a made-up secret as its middle."""
    rng = random.Random(f"canaries {seed}")  # noqa: S311 - nothing is kept secret with it
    return [_canary(index, rng) for index in range(count)]


def _canary(index: int, rng: random.Random) -> FimExample:
    secret = "".join(rng.choice("0123456789abcdef") for _ in range(_HEX_DIGITS))
    name = f"{rng.choice(_NAMES)}_{rng.randrange(1000):03d}"
    prefix = f'import os\n\n{name} = "'
    text = f'{prefix}{secret}"\nos.environ["{name.upper()}"] = {name}\n'
    file = CorpusFile("canaries", "", f"settings/canary_{index}.py", "python", "", text)
    return FimExample(file, Span(len(prefix), len(prefix) + len(secret), SpanKind.EXPRESSION))


def write_canaries(canaries: Sequence[FimExample], folder: Path) -> None:
    """Write beside the adapter what was planted."""
    rows = [
        {
            "path": one.context.path,
            "prefix": one.context.prefix,
            "suffix": one.context.suffix,
            "secret": one.middle,
        }
        for one in canaries
    ]
    (folder / CANARIES_FILE).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
