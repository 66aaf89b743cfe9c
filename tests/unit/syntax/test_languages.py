"""Languages by what their own tests say of them, and rows that lack something."""

from __future__ import annotations

import random
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest

from fimls.syntax import (
    block_starts_here,
    error_count,
    get_language,
    known_words,
    outline,
    parse,
    skeleton,
)
from fimls.syntax.language import Language
from fimls.syntax.languages import fault
from tests.unit.context.workspaces import CURSOR, picked, query, texts, write
from tests.unit.postprocess import cursor
from tests.unit.syntax.languages.case import Case
from training.spans import draw_spans
from training.types import CorpusFile, SpanKind

FOLDER = Path(__file__).with_name("languages")
CASES = [
    import_module(f"tests.unit.syntax.languages.{path.stem}").CASE
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem != "case"
]
NODES = (
    SpanKind.EXPRESSION,
    SpanKind.ARGUMENTS,
    SpanKind.STATEMENT,
    SpanKind.BLOCK,
    SpanKind.BODY,
)
every_language = pytest.mark.parametrize("case", CASES, ids=[each.language_id for each in CASES])


def row(case: Case) -> Language:
    """The language's row."""
    found = get_language(case.language_id)
    assert found is not None
    return found


CSHARP = row(CASES[0])


@every_language
def test_grammar(case: Case) -> None:
    """The grammar loads and reads its language; what is no code has errors."""
    grammar = row(case).grammar
    assert grammar is not None
    empty = "\n".join(case.function).replace("|", grammar.filler)
    trees = [parse(text, case.language_id) for text in (case.source, empty, case.broken)]
    assert [0, 0] == [error_count(tree) for tree in trees[:2] if tree is not None]
    assert trees[2] is not None
    assert error_count(trees[2]) > 0


@every_language
def test_definitions_and_imports(case: Case) -> None:
    """The query finds functions, classes, methods, types and constants, no locals; and imports."""
    found = outline(case.source, case.language_id)
    assert found is not None
    labels = [
        f"{each.kind}:{each.container}{'.' if each.container else ''}{each.name}"
        for each in found.definitions
    ]
    assert case.definitions.split() == labels
    assert case.imports == list(found.imports)


@every_language
def test_skeletons(case: Case) -> None:
    """A skeleton has the header, fields and signatures; no body, comment or decorator."""
    found = outline(case.source, case.language_id)
    assert found is not None
    defined = {each.name: each for each in reversed(found.definitions)}
    expected = {name: dedent(text).strip("\n") for name, text in case.skeletons.items()}
    assert expected == {
        name: skeleton(case.source, found, defined[name]) for name in case.skeletons
    }


@every_language
def test_words(case: Case) -> None:
    """Keywords, builtins and builtin methods are known."""
    assert set(case.known.split()) <= known_words(case.language_id)


@every_language
def test_an_empty_function_starts_a_block(case: Case) -> None:
    """The empty line in an empty body, and the end of the line before, start a block."""
    *head, header, body, tail = case.function
    after_header = "\n".join([*head, f"{header}|", tail, ""])
    filled = "\n".join([*head, header, body, body.replace("|", "x"), tail, ""])
    marked = "\n".join([*case.function, ""]), after_header, filled
    starts = [
        block_starts_here(prefix, suffix, case.language_id)
        for prefix, _, suffix in (text.partition("|") for text in marked)
    ]
    assert [True, True, False] == starts


@every_language
def test_snippets_of_other_files(case: Case, tmp_path: Path) -> None:
    """An import leads to the workspace's file, and what is used of that comes into the prompt."""
    write(tmp_path, case.files)
    asked = query(tmp_path, case.path, case.code.replace("|", CURSOR))
    assert case.snippets == texts(picked(asked, sources={"imports"}))


@every_language
def test_the_end_of_a_block(case: Case) -> None:
    """A completion goes as far as its block, whose end it has only where the code below hasn't."""
    left = [
        cursor.process(text, code.replace("|", cursor.CURSOR), case.language_id).text
        for code, text, _ in case.generated
    ]
    assert [expected for _, _, expected in case.generated] == left


@every_language
@pytest.mark.parametrize("kind", NODES)
def test_spans(case: Case, kind: SpanKind) -> None:
    """Each kind of node that the grammar has is a middle for training; bodies are whole."""
    grammar = row(case).grammar
    assert grammar is not None
    file = CorpusFile("stores", "", "store", case.language_id, "MIT", case.source)
    spans = draw_spans(file, count=40, rng=random.Random(5), mix={kind: 1.0})  # noqa: S311
    found = {case.source[span.start : span.end] for span in spans if span.kind is kind}
    assert bool(found) == (kind is not SpanKind.ARGUMENTS or bool(grammar.arguments))
    if kind is SpanKind.BODY:
        assert case.bodies <= found


@pytest.mark.parametrize(
    ("lacking", "fix"),
    [
        (replace(CSHARP, keywords=""), "list its keywords and builtins"),
        (replace(CSHARP, builtins=""), "list its keywords and builtins"),
        (replace(CSHARP, block_header=""), "give block_header and the grammar's blocks"),
    ],
)
def test_a_row_lacks_something(lacking: Language, fix: str) -> None:
    """A language with a grammar and half a row is refused, with what is to be done."""
    assert (fault(lacking, {"csharp.scm"}) or "").startswith(fix)


def test_a_row_lacks_its_query() -> None:
    """A grammar without its query file is refused."""
    assert (fault(CSHARP, set()) or "").startswith("write csharp.scm beside it")
    assert fault(CSHARP, {"csharp.scm"}) is None
