"""The row that a language is: everything that fimls asks of one.

Each file of ``languages/`` fills in such rows, and no other file has a branch on a language's name.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter

    from fimls.syntax.modules import Resolve

BRACE_HEADER = r"\{$"
"""The end of a line that opens a block of braces."""

END_HEADER = (
    r"\b(?:begin|do|else|repeat|then)$|^\s*(?:begin|class|def|for|function|if|module|while)\b"
)
"""A line that opens a block which ``end`` closes."""

C_COMMENT = ("/*", "*/")

# Also what the index looks for in files of languages that the table doesn't have.
ANY_DEFINITION = rb"""\n[ \t]*(?:(?:abstract|async|case|data|def|export|final|implicit|inline
    |internal|local|open|override|private|protected|pub|public|sealed|static|suspend)[ \t]+)*
    (?:class|def|defp|defmodule|enum|fn|fun|func|function|interface|module|object|protocol|sub
    |struct|trait|type)[ \t]+(NAME)"""
"""Finds the names that a file of many languages defines (see :attr:`Language.definitions`)."""

ANY_IMPORT = r"import\b|export\b.*\bfrom\b|(?:const|let|var)\b.*\brequire\("
"""The beginning of a line that imports something in many languages."""


Clauses = Mapping[str, frozenset[str]]
"""The first word of a clause, and of the lines that it may follow at the same depth."""

CLAUSES: Clauses = {
    "elif": frozenset({"if", "elif"}),
    "else": frozenset({"if", "elif", "for", "while", "try", "except", "async"}),
    "except": frozenset({"try", "except"}),
    "finally": frozenset({"try", "except", "else"}),
}
"""Those of most languages."""


class Blocks(enum.Enum):
    """What holds a block together."""

    BRACES = enum.auto()
    INDENTATION = enum.auto()
    WORDS = enum.auto()
    """It ends with a word, such as ``end``."""


class Declares(enum.Enum):
    """A way to say what type a variable has (patterns in :mod:`fimls.context.surroundings`)."""

    ANNOTATED = enum.auto()
    """``name: Type``"""
    MADE = enum.auto()
    """``name = Type(...)``"""
    ENTERED = enum.auto()
    """``with open_store(path) as name``"""
    TYPE_FIRST = enum.auto()
    """``Type name``"""
    TYPE_LAST = enum.auto()
    """``name Type``"""


def kinds(names: str) -> frozenset[str]:
    """Return the words of a text: types of a grammar's nodes."""
    return frozenset(names.split())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grammar:
    """How tree-sitter reads a language. The sets hold types of the grammar's nodes."""

    source: str
    """``module:function`` of the grammar's package."""
    query: str
    """The name of the query file in ``languages/``, without ``.scm``."""
    blocks: frozenset[str]
    """What can be empty until somebody writes it: bodies of functions, classes and statements."""
    filler: str = ""
    """What must be in an empty block before the grammar takes it for a block."""
    name_marks: str = ""
    """What names may end with besides an identifier."""
    comments: frozenset[str] = kinds("comment")
    strings: frozenset[str]
    """Texts, from quote to quote."""
    code_in_strings: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    """Decorators and the like, before what they belong to."""
    wrappers: frozenset[str] = frozenset()
    """What a definition may be wrapped in: exported, decorated, declared."""
    groups: frozenset[str] = kinds("expression_statement")
    """What wraps one definition or several."""
    declared: frozenset[str] = frozenset()
    """What a ``@declarator`` can be part of."""
    arguments: frozenset[str]
    """The arguments of a call, with their brackets."""
    expressions: frozenset[str] = frozenset()
    """Expressions whose types don't end with ``_expression``."""
    statements: frozenset[str] = frozenset()
    """Statements whose types don't end with ``_statement``."""
    functions: frozenset[str]
    """Functions that have a name and a field ``body``."""
    uses: Callable[[tree_sitter.Node, bytes], Iterator[tuple[str, str, str]]] | None = None
    """For nodes that the query calls ``@use``, and their source: what they import, as module, name
    and local name; an empty name is the module itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Language:
    """A row of the table."""

    id: str
    """LSP's languageId."""
    suffixes: tuple[str, ...]
    """In lower case, with the dot."""
    aliases: tuple[str, ...] = ()
    """Other names that editors send: Neovim sends its file types."""
    filenames: tuple[str, ...] = ()
    """Whole names, of files without a telling suffix."""
    related: str = ""
    """Languages with the same word here use each other's definitions."""
    grammar: Grammar | None = None

    prose: bool = False
    """Whether it is text for people, in which code is quoted."""
    line_comment: str = ""
    """What starts one."""
    comment_start: str = ""
    """A regular expression for the start of a line comment; "" where ``line_comment`` outside a
    string always starts one."""
    block_comment: tuple[str, str] | None = None
    """What starts and what ends one."""
    quotes: tuple[str, ...] = ('"', "'")
    """String delimiters, an earlier one tried first."""
    blocks: Blocks = Blocks.BRACES
    block_header: str = ""
    """A regular expression that finds the end of a line of code that opens a block; "" where blocks
    aren't recognised."""
    block_ends: tuple[str, ...] = ()
    """Words that end a block as a brace does, on a line of their own."""
    clauses: Clauses = field(default_factory=lambda: CLAUSES)
    label_line: str = ""
    """A regular expression for a line that ends with a closing bracket which nothing opens."""
    no_body: str = ""
    """What can replace any function's body, so that the file still compiles."""

    keywords: str = ""
    """Words that are no identifiers."""
    builtins: str | Callable[[], Iterable[str]] = ""
    """Names that need no import and no definition: global functions and types, and the methods of
    strings, arrays, maps and the like."""
    definitions: bytes | None = ANY_DEFINITION
    """A verbose regular expression for the index, in whose matches one group is a name that a file
    defines. NAME in it means an identifier. It sees a line break before each line. None: there
    are no names."""
    import_line: str = ANY_IMPORT
    """A regular expression for the beginning of a line that imports something."""
    resolve: Resolve | None = None
    """From an import to the workspace's files; None: imports lead nowhere."""
    folder_is_package: bool = False
    """Whether files of a folder see each other's definitions without an import."""
    declares: tuple[Declares, ...] = (Declares.ANNOTATED, Declares.MADE)
    """How variables get their types."""
    name_first: bool = False
    """Whether a parameter is written ``name: type = default``."""
    constructors: frozenset[str] = kinds("__init__ constructor new New __call__")
    """What functions are called that make an instance of their class."""
    field_line: str = r"\s*\S"
    """A regular expression for the beginning of a line of a class that may declare a field."""
    attributes: Callable[[str, int, int, int], Iterator[str]] | None = None
    """From a text, and where a constructor's header and body begin and where it ends, to a line for
    each attribute that is set there."""
    counterparts: tuple[tuple[str, ...], ...] = ()
    """Suffixes of files that belong together by their names: headers, sources."""

    @property
    def indented(self) -> bool:
        """Whether indentation makes blocks."""
        return self.blocks is Blocks.INDENTATION

    @property
    def comment_pattern(self) -> str:
        """A regular expression for the start of a line comment; "" where there are none."""
        return self.comment_start or re.escape(self.line_comment)

    def closing_word(self, text: str, end: int) -> str:
        """Return the word with which a block ends that ends at an offset of a text, "" for none."""
        line = text[max(text.rfind("\n", 0, end), text.rfind(" ", 0, end)) + 1 : end].strip()
        return next((word for word in self.block_ends if line == word), "")
