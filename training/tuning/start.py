"""The adapter that a run begins from, rather than from none.

fimls' own adapter has learnt to fill in and to stop; a repository's goes on from there.
"""

from __future__ import annotations

import logging
from pathlib import Path

from fimls.config import NO_ADAPTER
from fimls.fim import Manifest
from fimls.store.adapter import Adapter
from fimls.store.adapters import AdapterRegistry
from training.tuning.base import Base
from training.tuning.recipe import Recipe
from training.types import TrainingError

_log = logging.getLogger(__name__)


def starting_folder(named: str, base: Base) -> Path | None:
    """Where the adapter of that name lies; "": fimls' own for this base, if any; ``none``: none.

    Raises:
        UnknownModelError: there is no such adapter.
    """
    if named == NO_ADAPTER:
        return None
    registry = AdapterRegistry()
    return registry.find(named) if named else registry.shipped(base.sha256)


def starting_adapter(named: str, base: Base, recipe: Recipe) -> Adapter | None:
    """The adapter in :func:`starting_folder`; fimls' own only if the recipe fits it.

    Raises:
        UnknownModelError: there is no such adapter.
        AdapterMismatchError: it was trained on another base.
        TrainingError: the recipe makes adapters of another shape.
    """
    folder = starting_folder(named, base)
    if folder is None:
        return None
    adapter = Adapter.open(folder)
    adapter.check_base(base.name, base.sha256)
    different = _differences(adapter, base, recipe)
    if different and named:
        raise TrainingError(
            f"can't begin from {named}: {different}",
            hint="change the recipe, or --start none begins from the base alone",
        )
    if different:
        _log.warning("beginning from the base alone, not from %s: %s", folder.name, different)
        return None
    return adapter


def _differences(adapter: Adapter, base: Base, recipe: Recipe) -> str:
    """Why an adapter of this recipe can't take up the other's weights; "" if it can."""
    config = adapter.config
    before = {
        "rank": config.get("r"),
        "alpha": config.get("lora_alpha"),
        "rslora": config.get("use_rslora", False),
        "dora": config.get("use_dora", False),
        "layers": "all" if config.get("layers_to_transform") is None else "some",
        "format": adapter.format,
    }
    now = {
        "rank": recipe.rank,
        "alpha": recipe.alpha,
        "rslora": recipe.rslora,
        "dora": recipe.dora,
        # Which ones, the weights' names tell when they are loaded.
        "layers": "all" if recipe.layers == "all" else "some",
        "format": base.format.name,
    }
    parts = [f"{key} {before[key]}, not {now[key]}" for key in now if before[key] != now[key]]
    added = dict(base.added)
    control_ids = Manifest.read(adapter.folder).control_ids
    if any(control_ids.get(token) != index for token, index in added.items()):
        parts.append("other added tokens")
    return "; ".join(parts)
