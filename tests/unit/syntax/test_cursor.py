"""Languages, trees, and whether a block starts at the cursor. ``|`` marks the cursor."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from fimls.syntax import (
    LANGUAGES,
    MAX_PARSE_BYTES,
    block_starts_here,
    error_count,
    get_language,
    language_of,
    parse,
)

FUNCTIONS = {  # language -> an empty function's lines
    "python": ["def f():", "    |", ""],
    "javascript": ["function f() {", "  |", "}"],
    "javascriptreact": ["const A = () => {", "  |", "}"],
    "typescript": ["function f(): number {", "  |", "}"],
    "typescriptreact": ["const A = (x: number) => {", "  |", "}"],
    "go": ["package a", "func f() {", "\t|", "}"],
    "rust": ["fn f() -> u8 {", "    |", "}"],
    "java": ["class A { int f() {", "  |", "} }"],
    "c": ["int f(void) {", "  |", "}"],
    "cpp": ["template <class T> T f() {", "  |", "}"],
}


def split(marked: str) -> tuple[str, str]:
    """Cut a text at its only cursor mark."""
    prefix, suffix = marked.split("|")
    return prefix, suffix


def test_names_are_unambiguous() -> None:
    """No two languages share an id, alias, suffix or file name."""
    names = [name for row in LANGUAGES for name in (row.id, *row.aliases)]
    files = [name for row in LANGUAGES for name in (*row.suffixes, *row.filenames)]
    assert sorted(set(names)) == sorted(names)
    assert sorted(set(files)) == sorted(files)


@pytest.mark.parametrize(
    ("path", "language_id"),
    [
        ("a/b.py", "python"),
        (Path("x.PYI"), "python"),
        ("x.d.ts", "typescript"),
        ("x.tsx", "typescriptreact"),
        ("x.jsx", "javascriptreact"),
        ("x.h", "c"),
        ("x.cc", "cpp"),
        ("run.sh", "shellscript"),
        ("deep/Makefile", "makefile"),
        ("Dockerfile", "dockerfile"),
        ("notes.unknown", "plaintext"),
        (".py", "plaintext"),
        ("", "plaintext"),
    ],
)
def test_language_of(path: Path | str, language_id: str) -> None:
    """Names and suffixes, in any case, lead to LSP's language ids."""
    assert language_id == language_of(path)


def test_get_language_knows_aliases() -> None:
    """Neovim's file types are aliases; an unknown id is None."""
    assert get_language("shellscript") is get_language("sh")
    assert get_language("klingon") is None


def test_every_grammar_is_tested() -> None:
    """A language with a grammar has a function above, or a test of its own in ``languages/``."""
    own = {path.stem for path in Path(__file__).with_name("languages").glob("*.py")} - {"case"}
    queries = {row.grammar.query for row in LANGUAGES if row.grammar and row.id not in FUNCTIONS}
    assert own == queries


@pytest.mark.parametrize("language_id", FUNCTIONS)
def test_every_grammar_parses(language_id: str) -> None:
    """Each row's grammar loads and reads its language; what is no code has errors."""
    language = get_language(language_id)
    assert language is not None
    assert language.grammar is not None
    code = "\n".join(FUNCTIONS[language_id]).replace("|", language.grammar.filler)
    tree = parse(code, language_id)
    broken = parse("} ( 12 class", language_id)
    assert tree is not None
    assert broken is not None
    assert error_count(tree) == 0
    assert error_count(broken) > 0


@pytest.mark.parametrize(
    ("text", "language_id"),
    [("x", "plaintext"), ("x", "kotlin"), ("#" * (MAX_PARSE_BYTES + 1), "python")],
)
def test_parse_declines(text: str, language_id: str) -> None:
    """Without a grammar, and above the size limit, there is no tree."""
    assert parse(text, language_id) is None


class FakeClocks:
    """In place of ``time``: what is asked how late it is, a number of times, is told it is 0."""

    def __init__(self, looks: int, *, busy_machine: bool) -> None:
        self.looks = 0
        self._in_time = looks
        self._busy_machine = busy_machine

    def monotonic(self) -> float:
        """Time: at the last looks all of it is up."""
        self.looks += 1
        return 0.0 if self.looks <= self._in_time else 1.0

    def thread_time(self) -> float:
        """Processor time, of which a busy machine gives none."""
        return 0.0 if self.looks <= self._in_time or self._busy_machine else 1.0


@pytest.mark.parametrize("looks", [1, 10, 1000])
def test_parse_stops_in_time(monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Text that costs the parser a second is given up at the first look behind the budget, and the
    parser looks a thousand times.
    """
    clocks = FakeClocks(looks, busy_machine=False)
    monkeypatch.setattr("fimls.syntax.tree.time", clocks)
    assert parse('((((( {[ """ def x if : ' * 40_000, "python", budget_ms=50) is None
    assert looks + 1 == clocks.looks


def test_parse_takes_its_time_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others take of the processor is not counted."""
    clocks = FakeClocks(1, busy_machine=True)
    monkeypatch.setattr("fimls.syntax.tree.time", clocks)
    assert parse("x = 1\n" * 1000, "python", budget_ms=50) is not None
    assert clocks.looks > 100


_PARSES = 20
"""Enough that the few hundred bytes that the interpreter keeps once don't count."""


@pytest.mark.parametrize("length", [1, 200, 10_000])
def test_parse_keeps_no_text(length: int) -> None:
    """A server parses at every keystroke: what a parse has read is given up with its tree."""
    text = "value = 1\n" * length
    parse(text, "python")
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(_PARSES):
            assert parse(text, "python", budget_ms=5000) is not None
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < _PARSES * 100


def test_parse_takes_lone_surrogates() -> None:
    """Half a surrogate pair in the text is an odd character, not a failure."""
    assert parse("x = '\ud83d'", "python") is not None


@pytest.mark.parametrize(
    ("text", "count"), [("x = 1\n", 0), ("f(1\n", 1), ("x = )\ny = ]\n", 2), ("", 0)]
)
def test_error_count(text: str, count: int) -> None:
    """Each wrong or missing token counts."""
    tree = parse(text, "python")
    assert tree is not None
    assert count == error_count(tree)


def test_error_count_survives_deep_nesting() -> None:
    """Nesting as deep as the parser takes doesn't exhaust the stack."""
    tree = parse("(" * 20_000, "python", budget_ms=10_000)
    assert tree is not None
    assert error_count(tree) > 0


@pytest.mark.parametrize("language_id", FUNCTIONS)
def test_empty_function_starts_a_block(language_id: str) -> None:
    """The empty line in an empty body, and the end of the line before, start a block."""
    *head, header, cursor, tail = FUNCTIONS[language_id]
    lines = "\n".join([*head, header, cursor, tail, ""])
    behind = "\n".join([*head, header + "|", tail, ""])
    filled = "\n".join([*head, header, cursor, cursor.replace("|", "x;"), tail, ""])
    assert block_starts_here(*split(lines), language_id)
    assert block_starts_here(*split(lines.replace("\n", "\r\n")), language_id)
    assert block_starts_here(*split(behind), language_id)
    assert not block_starts_here(*split(filled), language_id)


@pytest.mark.parametrize(
    "marked",
    [
        "if x:|",
        "if x:  # why not\n    |",
        "def f(\n    a: int,\n) -> int:\n    |\n\nx = 1\n",
        'def f():\n    """Doc."""\n    |\n\nx = 1\n',
        'def f():\n    """Doc.\n\n    More.\n    """\n\n    |\n',
        "def f():\n    # to be written\n    |\n",
        "class A:\n    def f(self):\n        |\n\n    def g(self):\n        return 1\n",
        "try:\n    |\n",  # the filled tree has an error: no except
        "x = (\n\ndef f():\n    |\n\ny = 1\n",  # an error elsewhere
        "def f():\n|",  # the editor didn't indent
        "s = '😀'\nwhile s:\n\t|\n",
    ],
)
def test_python_block_starts(marked: str) -> None:
    """A header, a docstring or a comment may stand before an empty body."""
    assert block_starts_here(*split(marked), "python")


@pytest.mark.parametrize(
    "marked",
    [
        "|",
        "x = |",
        "x = 1\n|\n",
        "def f():\n    |\n    return 1\n",
        "def f():|\n    return 1\n",
        "def f():\n    x = 1\n    |\n",
        "def f|():\n    pass\n",
        "def f():| pass\n",
        "x = {\n    'a':\n    |\n}\n",
        "y = a[1:\n  |\n]\n",
        "# note:\n|\n",
        "def f():\n    '''if x:\n    |\n    '''\n",
        "x = (\n\ndef f():\n    |\n    return 1\n",
        "print('if x:\n|",
    ],
)
def test_python_block_does_not_start(marked: str) -> None:
    """Bodies with statements, colons that aren't headers, strings and comments start none."""
    assert not block_starts_here(*split(marked), "python")


@pytest.mark.parametrize(
    ("marked", "starts"),
    [
        ("if (x) {|}", True),
        ("class A {\n  |\n}", True),
        ("f(() => {\n  |\n});", True),
        ("f(() => {|});", True),
        ("if (x) { // why\n  |\n}", True),
        ("function a() {\n  |\n\nfunction b() {\n  x();\n}\n", True),  # not closed yet
        ("function a() {\n  |\n  x();\n\nfunction b() {}\n", False),
        ("if (x) {\n  /* {\n  |\n  */\n}", False),
        ("const x = {\n  |\n};\n", False),
        ("x = `{\n|\n`", False),
        ("// {\n|", False),
    ],
)
def test_brace_blocks(marked: str, starts: bool) -> None:  # noqa: FBT001  the table's column
    """Braces open blocks where they aren't literals, text or already filled."""
    assert starts == block_starts_here(*split(marked), "javascript")


@pytest.mark.parametrize(
    ("marked", "language_id", "starts"),
    [
        ("each {\n  |\n}\n", "ruby", True),
        ("f = -> {\n  |\n}\n", "ruby", True),
        ("h = {\n  |\n}\n", "ruby", False),
        ("f({|\n", "ruby", False),
        ("(\n  |\n)\n", "shellscript", True),
        ("if [ $# -lt 1 ]; then # why\n  |\nfi\n", "shellscript", True),
        ("x=(\n  |\n)\n", "shellscript", False),
        ("x+=(\n  |", "shellscript", False),
    ],
)
def test_brackets_of_literals(marked: str, language_id: str, starts: bool) -> None:  # noqa: FBT001  the table's column
    """A bracket that opens a hash or an array opens no block; a number sign may be no comment."""
    assert starts == block_starts_here(*split(marked), language_id)


@pytest.mark.parametrize(
    ("marked", "language_id", "starts"),
    [
        ("for x in *; do\n  |\ndone\n", "shellscript", True),
        ("def f\n  |\nend\n", "ruby", True),
        ("def f\n  |\n  x\nend\n", "ruby", False),
        ("fun f() {\n\t|\n}\n", "kotlin", True),
        ('val s = "{"\n|\n', "kotlin", False),
        ("# Title {\n|", "markdown", False),
        ("x {\n|", "plaintext", False),
    ],
)
def test_blocks_without_a_grammar(marked: str, language_id: str, starts: bool) -> None:  # noqa: FBT001  the table's column
    """Lines alone answer for a language without a grammar."""
    assert starts == block_starts_here(*split(marked), language_id)
