"""The manifest: under which format, tokenizer and base a prompt was built or an adapter trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from fimls import __version__
from fimls.types import AdapterMismatchError

MANIFEST_FILE = "fimls_manifest.json"
"""Lies beside an adapter's weights."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What training and serving have to agree on, and what is recorded beside it."""

    format: str
    """The name of a row of ``FORMATS``."""

    orders: tuple[str, ...]
    """The orders that an adapter was trained in, or the one that is served."""

    control_ids: Mapping[str, int]
    """Each control token of the format, and its id."""

    tokenizer_sha256: str
    """Of the token table."""

    base: str
    """The base model's name; recorded, not compared."""

    base_sha256: str
    """Of the base model's file."""

    budget: Mapping[str, int] = field(default_factory=dict)
    """Window sizes in tokens; recorded, since a smaller window is still the same format."""

    context: Mapping[str, Any] = field(default_factory=dict)
    """The retrieval settings; recorded."""

    corpus_sha256: str = ""
    """Of the training corpus, "" when nothing was trained; recorded."""

    tie_word_embeddings: bool = False
    """Whether the embedding was also the output head in training; recorded, and needed to merge
    the adapter into a file that stores the two apart."""

    code_version: str = __version__
    """Recorded."""

    def require_fit(self, served: Manifest) -> None:
        """Check that an adapter with this manifest may be served under ``served``.

        Raises:
            AdapterMismatchError: it doesn't; the message names both sides of each difference.
        """
        differences = [
            f"{name}: the adapter has {_differing(mine, theirs)}, "
            f"the model {_differing(theirs, mine)}"
            for name in _COMPARED
            if name not in {"orders", "control_ids"}
            and (mine := getattr(self, name)) != (theirs := getattr(served, name))
        ]
        # The adapter may know more tokens than a prompt needs: a dialogue's, say.
        used = {token: self.control_ids.get(token) for token in served.control_ids}
        if used != dict(served.control_ids):
            differences.append(
                f"control_ids: the adapter has {_differing(used, served.control_ids)}, "
                f"the model {_differing(served.control_ids, used)}"
            )
        if not set(served.orders) <= set(self.orders):
            differences.append(
                f"orders: the adapter was trained for {', '.join(self.orders)}, "
                f"the prompt is built in {', '.join(served.orders)}"
            )
        if differences:
            raise AdapterMismatchError(
                f"the adapter of {self.base} does not fit {served.base}: {'; '.join(differences)}",
                hint=f"serve it with --model {self.base}, or train it again for {served.base}",
            )

    def to_json(self) -> str:
        """As stored beside an adapter."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, *, name: str = MANIFEST_FILE) -> Manifest:
        """Read what :meth:`to_json` wrote.

        Raises:
            AdapterMismatchError: it isn't a manifest of this version.
        """
        try:
            values = json.loads(text)
            unknown = set(values) - {item.name for item in fields(cls)}
            if unknown:
                raise ValueError(f"unknown keys {sorted(unknown)}")
            if not isinstance(values["orders"], list):
                raise TypeError(f"orders is not a list: {values['orders']!r}")
            values["orders"] = tuple(values["orders"])
            return cls(**values)
        except (ValueError, TypeError, KeyError) as error:
            raise AdapterMismatchError(
                f"{name} is not a manifest this version can read: {error}",
                hint="train or export the adapter again with this version",
            ) from error

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest in an adapter's folder.

        Raises:
            AdapterMismatchError: there is none, or it can't be read.
        """
        path = folder / MANIFEST_FILE
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AdapterMismatchError(
                f"the adapter {folder} has no readable {MANIFEST_FILE}: {error}",
                hint="an adapter is served only with the manifest that its training wrote",
            ) from error
        return cls.from_json(text, name=str(path))


_COMPARED = ("format", "orders", "control_ids", "tokenizer_sha256", "base_sha256")


def _differing(value: object, other: object) -> str:
    """``value`` for a message: of a mapping the items that differ, of a hash its ends."""
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return str({key: item for key, item in value.items() if other.get(key) != item})
    text = str(value)
    return text if len(text) <= 40 else text[:12] + "..." + text[-12:]
