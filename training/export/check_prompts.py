"""Prompts for comparing engines: code with the rest of a line missing, in the serving prompt."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

from fimls.fim import PromptBuilder, build_prompt
from fimls.syntax import get_language, language_of
from fimls.types import CompletionContext, Prompt
from training.types import ExportError

_MAX_FILE_BYTES = 200_000


def default_code() -> Path:
    """The standard library of the Python that runs this: code that is on every machine."""
    return Path(sysconfig.get_path("stdlib"))


def make_prompts(
    folder: Path, count: int, builder: PromptBuilder, *, seed: int = 0
) -> Sequence[Prompt]:
    """``count`` prompts, each from another file while there are enough; the same for one seed.

    Raises:
        ExportError: the folder holds no code.
    """
    files = sorted(_code(folder))
    if not files:
        raise ExportError(
            f"{folder} holds no code to make prompts of", hint="name a folder of source files"
        )
    draw = random.Random(seed)  # noqa: S311 - a choice of examples, no secret
    draw.shuffle(files)
    prompts: list[Prompt] = []
    for number in range(count):
        path = files[number % len(files)]
        context = _cut(path.read_text("utf-8"), path.relative_to(folder), draw)
        prompts.append(build_prompt(context, builder))
    return prompts


def _code(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        known = get_language(language_of(path)) is not None and "site-packages" not in path.parts
        if not known or not path.is_file() or path.stat().st_size > _MAX_FILE_BYTES:
            continue
        try:
            if path.read_text("utf-8").strip():
                yield path
        except UnicodeDecodeError:
            continue  # not code that could be completed


def _cut(text: str, path: Path, draw: random.Random) -> CompletionContext:
    """Take away what stands behind a random place of a line that isn't blank."""
    lines = text.splitlines(keepends=True)
    number = draw.choice([at for at, line in enumerate(lines) if line.strip()])
    line = lines[number]
    column = draw.randrange(len(line) - len(line.lstrip()), len(line.rstrip()))
    return CompletionContext(
        prefix="".join(lines[:number]) + line[:column],
        suffix=line[len(line.rstrip("\r\n")) :] + "".join(lines[number + 1 :]),
        path=path.as_posix(),
        language_id=language_of(path),
    )
