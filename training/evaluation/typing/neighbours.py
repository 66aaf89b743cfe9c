"""Which files an editor would have open beside the one that is typed into."""

from __future__ import annotations

import posixpath
import random
from collections.abc import Mapping

from training.evaluation.typing.imports import imports_of

_MOST = 3
_MOST_IMPORTED = 2


def neighbours(path: str, sources: Mapping[str, str], chance: random.Random) -> tuple[str, ...]:
    """Choose up to three files: two that ``path`` imports, the others from its folder."""
    imported = list(imports_of(sources[path], path, sources).files)
    folder = posixpath.dirname(path)
    siblings = [
        other
        for other in sources
        if other != path and posixpath.dirname(other) == folder and other not in imported
    ]
    chosen = chance.sample(imported, min(len(imported), _MOST_IMPORTED))
    chosen += chance.sample(siblings, min(len(siblings), _MOST - len(chosen)))
    return tuple(chosen)
