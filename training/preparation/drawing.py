"""Drawing: a shard's spans and their contexts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from fimls.context.index import Index
from fimls.context.query import CountTokens
from fimls.fim import Tokenizer
from training.corpus import Decontaminator, scrub
from training.dataset.format import ShardInfo
from training.dataset.writer import DatasetWriter
from training.examples import ContextBuilder, RepositoryFiles, build_index
from training.preparation.planning import PlannedFile, PlannedRepository, Task
from training.preparation.reading import read_texts
from training.preparation.settings import Settings
from training.spans import draw_spans, edits
from training.types import CorpusFile, FimExample, Span, Split


class Drawer:
    """Draws the shards of one repository; made in the process that uses it."""

    def __init__(
        self,
        planned: PlannedRepository,
        settings: Settings,
        work: Path,
        count_tokens: CountTokens,
        suites: Decontaminator,
    ) -> None:
        self._planned = planned
        self._settings = settings
        self._suites = suites
        self._texts = {
            (part, row): file
            for part in range(planned.parts)
            for row, file in enumerate(read_texts(work, planned.number, part))
        }
        self._context = None
        if settings.context:
            self._context = ContextBuilder(
                planned.repository.root,
                RepositoryFiles(_readable(planned, self._texts.values()), planned.others),
                Index(index_path(work, planned.number)),
                budget=settings.budget,
                count_tokens=count_tokens,
            )
        self._hidden = planned.hidden

    def write(self, task: Task, writer: DatasetWriter) -> ShardInfo:
        """Draw a shard's examples and write it."""
        if task.edits:
            examples = list(self._edits(task))
            files = list(dict.fromkeys((one.file, one.split) for one in examples))
        else:
            files = [(self._file(one), one.split) for one in task.files]
            examples = [example for one in task.files for example in self._spans(one)]
        return writer.write_shard(task.index, files, examples)

    def _file(self, planned: PlannedFile) -> CorpusFile:
        return self._texts[planned.read.part, planned.read.row]

    def _spans(self, planned: PlannedFile) -> Iterator[FimExample]:
        file = self._file(planned)
        rng = self._chance(file.path)
        # A fraction of a span is the chance of a whole one.
        count = int(planned.expected + rng.random())
        if count:
            for span in draw_spans(file, count=count, rng=rng, mix=self._settings.mix):
                yield self._example(file, span, planned.split_of(span.start, span.end))

    def _edits(self, task: Task) -> Iterator[FimExample]:
        """Examples from the history of files that are kept, in the state they had then.

        Left out are older states that hold a secret or a piece of a suite, and files with held-out
        functions, which may have been elsewhere in them.
        """
        root = self._planned.repository.root
        splits = {one.read.path: one for one in self._planned.files if not one.held_out}
        rng = self._chance("edits")
        # Some can't be used; twice as many bounds the work.
        drawn = edits(root, count=2 * task.edits, rng=rng, wanted=lambda path: path in splits)
        found = 0
        for edit in drawn:
            text = edit.text
            if "\r" in text or self._suites.holds(text) or scrub(text, edit.path)[0] != text:
                continue
            planned = splits[edit.path]
            file = replace(self._file(planned), commit=edit.commit, text=text)
            yield self._example(file, edit.span, planned.split)
            found += 1
            if found == task.edits:
                return

    def _example(self, file: CorpusFile, span: Span, split: Split) -> FimExample:
        if self._context is None:
            return FimExample(file, span, split=split)
        hidden = self._hidden if split is Split.TRAIN else frozenset[str]()
        return FimExample(file, span, self._context.snippets(file, span, hidden=hidden), split)

    def _chance(self, name: str) -> random.Random:
        """Random numbers that depend on the seed and their use, not on the order of the work."""
        seed = f"{self._settings.seed}\0{self._planned.repository.name}\0{name}"
        return random.Random(seed)  # noqa: S311  nothing to guess here


def index_repository(planned: PlannedRepository, work: Path) -> None:
    """Make a repository's index in the work folder."""
    texts = [
        file for part in range(planned.parts) for file in read_texts(work, planned.number, part)
    ]
    build_index(index_path(work, planned.number), _readable(planned, texts))


def index_path(work: Path, number: int) -> Path:
    """Where a repository's index is."""
    return work / "index" / f"{number:05d}.sqlite"


def counter(tokenizer: Path | None) -> CountTokens:
    """Return a function that counts tokens; without context (None) nothing has to be counted."""
    if tokenizer is None:
        return len
    encode = Tokenizer.from_file(tokenizer).encode
    return lambda text: len(encode(text))


def _readable(planned: PlannedRepository, files: Iterable[CorpusFile]) -> dict[str, str]:
    """What retrieval may read: no copies of other files, which could hold the query's middle."""
    return {file.path: file.text for file in files if file.path not in planned.repeated}
