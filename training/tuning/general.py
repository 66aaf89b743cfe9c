"""General code that every machine has: Python's own standard library.

What a model forgets while it learns a repository shows in line ends of some of its modules; middles
of the other modules, mixed into the training split, keep it from forgetting. The files are the
interpreter's: their text differs a little between versions and is the same throughout a run.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from training.batches import ExampleSource
from training.corpus import Decontaminator
from training.spans import draw_spans
from training.types import CorpusFile, FimExample, Span, SpanKind, Split

_MODULES = (
    "argparse.py",
    "bisect.py",
    "calendar.py",
    "csv.py",
    "difflib.py",
    "fnmatch.py",
    "heapq.py",
    "shlex.py",
    "statistics.py",
    "string.py",
    "textwrap.py",
    "zipfile.py",
)
_MIN_LINE_CHARACTERS = 12
_MODULE_BYTES_MIN, _MODULE_BYTES_MAX = 2_000, 100_000


Item = TypeVar("Item")


def general_suite(count: int, *, seed: int = 0) -> list[FimExample]:
    """``count`` examples, fewer if the standard library isn't there as source files.

    Each middle runs from somewhere inside a line of code to its end.
    """
    files = [_file(path) for name in _MODULES if (path := _library() / name).is_file()]
    chosen = random.Random(seed)  # noqa: S311 - a sample, not a secret
    return [
        FimExample(file, _line_end(file.text, chosen), split=Split.VALIDATION)
        for file in (files[index % len(files)] for index in range(count if files else 0))
    ]


def general_examples(count: int, *, seed: int = 0) -> list[FimExample]:
    """``count`` middles, by the default mix, of modules that :func:`general_suite` doesn't use.

    Fewer if the standard library isn't there as source files. No module that holds a piece of an
    evaluation suite is among them.
    """
    suites = Decontaminator()
    modules = [path for path in sorted(_library().glob("*.py")) if path.name not in _MODULES]
    files = [
        file
        for path in modules
        if _MODULE_BYTES_MIN <= path.stat().st_size <= _MODULE_BYTES_MAX
        and not suites.holds((file := _file(path)).text)
    ]
    chosen = random.Random(f"general {seed}")  # noqa: S311 - a sample, not a secret
    chosen.shuffle(files)
    found = [
        FimExample(file, span, split=Split.TRAIN)
        for file, wanted in zip(files, _shares(count, len(files)), strict=True)
        for span in (draw_spans(file, count=wanted, rng=chosen) if wanted else ())
    ]
    chosen.shuffle(found)
    return found


def _shares(count: int, parts: int) -> list[int]:
    """``count`` in whole parts that differ by 1 at most."""
    return [count * (part + 1) // parts - count * part // parts for part in range(parts)]


def _library() -> Path:
    return Path(sysconfig.get_path("stdlib"))


def _file(path: Path) -> CorpusFile:
    return CorpusFile(
        repository="python-standard-library",
        commit="",
        path=path.name,
        language_id="python",
        licence="PSF-2.0",
        text=path.read_text("utf-8"),
    )


def _line_end(text: str, chosen: random.Random) -> Span:
    while True:
        start = text.rfind("\n", 0, chosen.randrange(len(text))) + 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        code = start + len(text[start:end]) - len(text[start:end].lstrip())
        if end - code >= _MIN_LINE_CHARACTERS and text[code] != "#":
            return Span(chosen.randrange(code + 1, end - 1), end, SpanKind.LINE_END)


@dataclass(frozen=True, slots=True)
class MixedSource(Generic[Item]):
    """A source with further examples spread over its training split, each once an epoch."""

    source: ExampleSource[Item]
    added: Sequence[Item]

    def count(self, split: Split) -> int:
        """See :class:`ExampleSource`."""
        return self.source.count(split) + len(self._added(split))

    def examples(
        self, split: Split, *, shuffle_seed: int | None = None, start: int = 0
    ) -> Iterator[Item]:
        """See :class:`ExampleSource`. The places of the added ones depend on the seed alone."""
        added = self._added(split)
        total = self.source.count(split) + len(added)
        rng = random.Random(f"places {shuffle_seed}")  # noqa: S311 - an order
        places = rng.sample(range(total), len(added))
        at = dict(zip(places, added, strict=True))
        before = sum(place < start for place in at)
        others = self.source.examples(split, shuffle_seed=shuffle_seed, start=start - before)
        for index in range(start, total):
            if index in at:
                yield at[index]
            else:
                yield next(others)

    def _added(self, split: Split) -> Sequence[Item]:
        return self.added if split is Split.TRAIN else ()
