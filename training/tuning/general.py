"""A general suite that every machine has: ends of lines in Python's own standard library.

What a model forgets while it learns a repository shows here. The files are the interpreter's, so
their text is a little different from version to version, and the same all through a run.
"""

from __future__ import annotations

import random
import sysconfig
from pathlib import Path

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


def general_suite(count: int, *, seed: int = 0) -> list[FimExample]:
    """``count`` examples, fewer if the standard library isn't there as source files.

    Each middle runs from somewhere inside a line of code to its end.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    files = [
        CorpusFile(
            repository="python-standard-library",
            commit="",
            path=name,
            language_id="python",
            licence="PSF-2.0",
            text=(folder / name).read_text("utf-8"),
        )
        for name in _MODULES
        if (folder / name).is_file()
    ]
    chosen = random.Random(seed)  # noqa: S311 - a sample, not a secret
    return [
        FimExample(file, _line_end(file.text, chosen), split=Split.VALIDATION)
        for file in (files[index % len(files)] for index in range(count if files else 0))
    ]


def _line_end(text: str, chosen: random.Random) -> Span:
    while True:
        start = text.rfind("\n", 0, chosen.randrange(len(text))) + 1
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        code = start + len(text[start:end]) - len(text[start:end].lstrip())
        if end - code >= _MIN_LINE_CHARACTERS and text[code] != "#":
            return Span(chosen.randrange(code + 1, end - 1), end, SpanKind.LINE_END)
