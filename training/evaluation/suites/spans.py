"""Held-out spans: holes in code, compared with what a person wrote there.

Kinds of holes are named as a person sees them: by its place in its lines.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from fimls.context.index import Index
from fimls.fim import PromptBuilder
from fimls.syntax import language_of
from fimls.types import Mode, Snippet
from training.dataset import Dataset
from training.evaluation.repository import Repository, read_repository
from training.evaluation.suites.base import Item, Skipped
from training.examples import ContextBuilder, RepositoryFiles, build_index
from training.spans import draw_spans
from training.types import CorpusFile, EvaluationError, FimExample, Span, SpanKind, Split

PER_KIND = 50
"""Holes of each kind in a folder's suite."""
ELSEWHERE = "occurs elsewhere too"

_DRAWN_PER_FILE = 12
_EVENLY: Mapping[SpanKind, float] = dict.fromkeys(SpanKind, 1.0)
_TEST_SPLIT_HINT = "prepare it with --holdout above 0"

Contexts = Callable[[CorpusFile, Sequence[Span]], Sequence[tuple[Snippet, ...]]]
"""Finds the snippets that serving would show for each span of a file, without the span's text."""

INSIDE = "inside a line"
REST = "rest of line"
WHOLE = "whole line"
SEVERAL = "several lines"
BLOCK = "block"
BODY = "function body"
KINDS = (INSIDE, REST, WHOLE, SEVERAL, BLOCK, BODY)
_NODES = {SpanKind.BLOCK: BLOCK, SpanKind.BODY: BODY}
_SEVERAL_LINES = frozenset({SEVERAL, BLOCK, BODY})


class DatasetSpans:
    """The examples of a dataset that nothing was trained on, with the snippets stored there."""

    sources = None

    def __init__(self, folder: Path) -> None:
        """Open the dataset.

        Raises:
            DatasetError: it can't be read. EvaluationError: nothing in it is held out.
        """
        self._dataset = Dataset.open(folder)
        self.name = f"dataset-{folder.resolve().name}"
        self.version = self._dataset.sha256[:12]
        if not self._dataset.count(Split.TEST):
            raise EvaluationError(f"{folder} holds nothing out", hint=_TEST_SPLIT_HINT)

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the test split's examples in the dataset's order."""
        for example in self._dataset.examples(Split.TEST):
            yield span_item(example)


class FolderSpans:
    """Holes in a folder's files, as many of each kind, from as many files as there are.

    contexts: finds snippets of other files; None for none.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        per_kind: int = PER_KIND,
        contexts: Callable[[Repository], Contexts] | None = None,
    ) -> None:
        """Read the folder.

        Raises:
            DocumentError: there is no such folder.
        """
        self._repository = read_repository(folder, seed=seed)
        self._seed = seed
        self._per_kind = per_kind
        self._contexts = contexts
        self.name = f"spans-{self._repository.name}"
        self.sources = self._repository.folder

    @cached_property
    def version(self) -> str:
        """Of the files, and of how holes are chosen."""
        digest = hashlib.sha256(f"{self._seed} {self._per_kind}\n".encode())
        for path, text in sorted(self._repository.sources.items()):
            digest.update(f"{path}\0{text}\0".encode("utf-8", "surrogatepass"))
        return digest.hexdigest()[:12]

    def items(self) -> Iterator[Item | Skipped]:
        """Yield the holes by file, in order."""
        chosen, skipped = self._choose()
        yield from skipped
        contexts = self._contexts(self._repository) if self._contexts else _no_snippets
        for path in sorted(chosen):
            file, spans = self._file(path), sorted(chosen[path], key=lambda span: span.start)
            for span, snippets in zip(spans, contexts(file, spans), strict=True):
                yield span_item(FimExample(file, span, snippets, Split.TEST))

    def _choose(self) -> tuple[dict[str, list[Span]], list[Skipped]]:
        """Take a hole from each file in turn until every kind has enough of them."""
        drawn = {path: self._draw(path) for path in sorted(self._repository.sources)}
        order = list(drawn)
        random.Random(f"{self._seed}:{self._repository.name}").shuffle(order)  # noqa: S311
        counts: Counter[str] = Counter()
        chosen: dict[str, list[Span]] = {}
        skipped: list[Skipped] = []
        for turn in range(_DRAWN_PER_FILE):
            for path in order:
                if turn >= len(drawn[path]):
                    continue
                span = drawn[path][turn]
                kind = hole_kind(self._repository.sources[path], span)
                if counts[kind] >= self._per_kind:
                    continue
                if self._occurs_elsewhere(path, span):
                    skipped.append(Skipped(f"{path}:{span.start}", ELSEWHERE))
                    continue
                counts[kind] += 1
                chosen.setdefault(path, []).append(span)
        return chosen, skipped

    def _draw(self, path: str) -> list[Span]:
        chance = random.Random(f"{self._seed}:{self._repository.name}:{path}")  # noqa: S311
        spans = draw_spans(self._file(path), count=_DRAWN_PER_FILE, rng=chance, mix=_EVENLY)
        chance.shuffle(spans)
        return spans

    def _file(self, path: str) -> CorpusFile:
        text = self._repository.sources[path]
        return CorpusFile(self._repository.name, "", path, language_of(path), "", text)

    def _occurs_elsewhere(self, path: str, span: Span) -> bool:
        """Whether several lines could be copied from another place."""
        sources = self._repository.sources
        middle = sources[path][span.start : span.end].strip()
        if middle.count("\n") < 2:
            return False
        return sources[path].count(middle) > 1 or any(
            middle in text for other, text in sources.items() if other != path
        )


def span_item(example: FimExample) -> Item:
    """Return an example as an item; its file is its cluster."""
    file, span = example.file, example.span
    kind = hole_kind(file.text, span)
    name = f"{file.repository}/{file.path}"
    return Item(
        id=f"{name}:{span.start}-{span.end}",
        cluster=name,
        kind=kind,
        path=file.path,
        language_id=file.language_id,
        prefix=example.context.prefix,
        suffix=example.context.suffix,
        reference=example.middle,
        mode=hole_mode(kind),
        snippets=example.snippets,
    )


def _no_snippets(_file: CorpusFile, spans: Sequence[Span]) -> list[tuple[Snippet, ...]]:
    return [()] * len(spans)


def hole_kind(text: str, span: Span) -> str:
    """Return what a hole is: one of :data:`KINDS`. Blocks and bodies are, however they lie."""
    if span.kind in _NODES:
        return _NODES[span.kind]
    middle = text[span.start : span.end]
    if "\n" in middle.strip():
        return SEVERAL
    after = text[span.end :].lstrip(" \t\r")
    if not middle.rstrip(" \t\r").endswith("\n") and after and not after.startswith("\n"):
        return INSIDE
    before = text[text.rfind("\n", 0, span.start) + 1 : span.start]
    return REST if before.strip() and not middle.lstrip(" \t\r").startswith("\n") else WHOLE


def hole_mode(kind: str) -> Mode:
    """Return how much to ask for. On what a person types, the syntax decides; here it is known that
    several lines are missing, and a completion of one would say nothing about them.
    """
    return Mode.MULTI if kind in _SEVERAL_LINES else Mode.SINGLE


class ServedSnippets:
    """Finds snippets that fit a prompt builder's budget. Its index is a temporary folder.

    Raises:
        DatasetError: the index can't be written.
    """

    def __init__(self, repository: Repository, builder: PromptBuilder) -> None:
        folder = Path(tempfile.mkdtemp(prefix="fimls-eval-"))
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        build_index(folder / "index.db", repository.sources)
        index = Index(folder / "index.db")
        weakref.finalize(self, index.close)  # finalizers run last in, first out
        self._contexts = ContextBuilder(
            repository.folder,
            RepositoryFiles(repository.sources, repository.files),
            index,
            budget=builder.budget,
            count_tokens=lambda text: len(builder.tokenizer.encode(text)),
        )

    def __call__(self, file: CorpusFile, spans: Sequence[Span]) -> list[tuple[Snippet, ...]]:
        """See :data:`Contexts`."""
        return [self._contexts.snippets(file, span) for span in spans]
