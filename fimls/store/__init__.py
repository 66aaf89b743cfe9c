"""The model store: known models, where their bytes come from, and what engines load."""

from fimls.store.models import ModelSpec, find_model, known_models
from fimls.store.prepared import QUANTIZATIONS, PreparedModel
from fimls.store.sources import HubSource, IndexSource, PathSource, Source, default_sources
from fimls.store.store import BaseFile, Store, store_root

__all__ = [
    "QUANTIZATIONS",
    "BaseFile",
    "HubSource",
    "IndexSource",
    "ModelSpec",
    "PathSource",
    "PreparedModel",
    "Source",
    "Store",
    "default_sources",
    "find_model",
    "known_models",
    "store_root",
]
