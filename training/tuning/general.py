"""General code that every machine has: Python's own standard library.

What a model forgets while it learns a repository shows in ends of lines of some of its modules;
what keeps it from forgetting are middles of the others. The files are the interpreter's, so their
text is a little different from version to version, and the same all through a run.
"""

from __future__ import annotations

import random
import sysconfig
from pathlib import Path

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
