"""The table of known models. The rows live in ``models.json`` beside this file."""

from __future__ import annotations

import difflib
import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fimls.types import UnknownModelError


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a Hugging Face hub repository."""

    repo: str
    file: str


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on the package index that carries a piece of a model.

    sha256: of the wheel file. member: the path inside it whose bytes are the piece.
    """

    package: str
    version: str
    file: str
    sha256: str
    member: str


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model whose bytes are known by their hash.

    name: what people type; aliases are short forms of it. file: the usual file name.
    bytes, sha256: of the GGUF file. licence: SPDX. format: a row of the FIM format table.
    hub: where the hub has the file, if it does. wheels: their members, joined in order, are the
    file. default: used when nobody names a model.
    """

    name: str
    aliases: tuple[str, ...]
    file: str
    bytes: int
    sha256: str
    licence: str
    format: str
    hub: HubFile | None = None
    wheels: tuple[Wheel, ...] = ()
    default: bool = False


@functools.cache
def known_models() -> tuple[ModelSpec, ...]:
    """Every known model, in the table's order."""
    text = resources.files("fimls.store").joinpath("models.json").read_text("utf-8")
    return tuple(_spec(row) for row in json.loads(text)["models"])


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


def _spec(row: dict[str, Any]) -> ModelSpec:
    fields = dict(row)
    hub = fields.pop("hub")
    return ModelSpec(
        aliases=tuple(fields.pop("aliases")),
        hub=HubFile(**hub) if hub else None,
        wheels=tuple(Wheel(**wheel) for wheel in fields.pop("wheels")),
        **fields,
    )
