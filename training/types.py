"""The frozen values that flow through training. Standard library and ``fimls.types`` only.

::

    Repository -> CorpusFile -> Span -> FimExample -> TokenizedExample (fimls.fim) -> batches

A :class:`FimExample` holds the serving context: ``example.context`` is what a server would be asked
with, had the middle never been written.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from fimls.types import CompletionContext, FimlsError, Snippet


class CorpusError(FimlsError):
    """A source of code can't be used: missing, unreadable, empty, or without a usable licence."""


class DatasetError(FimlsError):
    """A dataset can't be read or written: another format version, damaged, incomplete, empty."""


class TrainingError(FimlsError):
    """Tuning can't begin or go on: no memory or device, a diverged loss, a lost checkpoint."""


class ExportError(FimlsError):
    """An adapter can't be turned into the format that was asked for."""


class EvaluationError(FimlsError):
    """A suite, a report or a judged repository can't be used."""


class Split(str, enum.Enum):
    """What a file is used for; near-duplicate functions are all on one side."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class SpanKind(str, enum.Enum):
    """How a middle was chosen."""

    EXPRESSION = "expression"
    ARGUMENTS = "arguments"
    STATEMENT = "statement"
    BLOCK = "block"
    BODY = "body"
    LINE_END = "line-end"
    LINES = "lines"
    CHARACTERS = "characters"
    EDIT = "edit"


@dataclass(frozen=True, slots=True)
class Repository:
    """A folder of code that belongs together."""

    name: str
    """The project's."""
    commit: str
    """The git commit or the package's version; "" if unknown."""
    licence: str
    """An SPDX expression; "" if none was found."""
    root: Path
    """Where its files lie on this machine."""


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file that may be learnt from."""

    repository: str
    commit: str
    path: str
    """Relative to the repository, with forward slashes."""
    language_id: str
    licence: str
    """The file's own SPDX expression, or the repository's."""
    text: str
    """The file's, with secrets replaced."""


@dataclass(frozen=True, slots=True)
class Span:
    """``text[start:end]`` of a file is a middle; offsets in code points, never empty."""

    start: int
    end: int
    kind: SpanKind


@dataclass(frozen=True, slots=True)
class FimExample:
    """A middle, and everything serving would know without it."""

    file: CorpusFile
    span: Span
    snippets: tuple[Snippet, ...] = ()
    split: Split = Split.TRAIN

    @property
    def middle(self) -> str:
        """What has to be learnt."""
        return self.file.text[self.span.start : self.span.end]

    @property
    def context(self) -> CompletionContext:
        """What serving would build at the cursor, before the middle is written."""
        return CompletionContext(
            prefix=self.file.text[: self.span.start],
            suffix=self.file.text[self.span.end :],
            path=self.file.path,
            language_id=self.file.language_id,
            snippets=self.snippets,
        )
