"""The table of languages. A language is one row; one with a grammar also names its blocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath

PLAIN_TEXT = "plaintext"

_BRACE_HEADER = r"\{$"
_END_HEADER = (
    r"\b(?:begin|do|else|repeat|then)$|^\s*(?:begin|class|def|for|function|if|module|while)\b"
)
_PYTHON_HEADER = (
    r"^\s*(?:(?:async|case|class|def|elif|else|except|finally|for|if|match|try|while|with)\b.*"
    r"|[)\]}].*):$"  # the last line of a header that was broken inside brackets
)


@dataclass(frozen=True, slots=True)
class Language:
    """A row of the table.

    id: LSP's languageId. aliases: other names that editors send (Neovim sends its file types).
    suffixes: lower-case, with the dot. filenames: whole names, for files without a telling suffix.
    grammar: "module:function" of the tree-sitter language, or "" where there is none.
    family: the name that languages with the same queries and the same words share, or "".
    line_comment: what starts one. quotes: string delimiters, an earlier one tried first.
    block_header: a regular expression that finds the end of a line of code that opens a block, or
        "" where blocks aren't recognised.
    block_types: the grammar's nodes that are blocks. filler: what must stand in an empty block
        before the grammar accepts it.
    """

    id: str
    suffixes: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    filenames: tuple[str, ...] = ()
    grammar: str = ""
    family: str = ""
    line_comment: str = ""
    quotes: tuple[str, ...] = ('"', "'")
    block_header: str = ""
    block_types: frozenset[str] = frozenset()
    filler: str = ""


_C = Language(
    "c",
    (".c", ".h"),
    grammar="tree_sitter_c:language",
    family="c",
    line_comment="//",
    block_header=_BRACE_HEADER,
    block_types=frozenset({"compound_statement", "enumerator_list", "field_declaration_list"}),
)
_JAVASCRIPT = Language(
    "javascript",
    (".js", ".cjs", ".mjs"),
    grammar="tree_sitter_javascript:language",
    family="javascript",
    line_comment="//",
    quotes=('"', "'", "`"),
    block_header=_BRACE_HEADER,
    block_types=frozenset({"class_body", "statement_block", "switch_body"}),
)
_TYPESCRIPT = replace(
    _JAVASCRIPT,
    id="typescript",
    suffixes=(".ts", ".cts", ".mts"),
    grammar="tree_sitter_typescript:language_typescript",
    family="typescript",
    block_types=_JAVASCRIPT.block_types | {"enum_body", "interface_body"},
)

LANGUAGES: tuple[Language, ...] = (
    Language(
        "python",
        (".py", ".pyi", ".pyw"),
        grammar="tree_sitter_python:language",
        family="python",
        line_comment="#",
        quotes=('"""', "'''", '"', "'"),
        block_header=_PYTHON_HEADER,
        block_types=frozenset({"block"}),
        filler="pass",
    ),
    _JAVASCRIPT,
    replace(_JAVASCRIPT, id="javascriptreact", suffixes=(".jsx",), aliases=("jsx",)),
    _TYPESCRIPT,
    replace(
        _TYPESCRIPT,
        id="typescriptreact",
        suffixes=(".tsx",),
        aliases=("tsx",),
        grammar="tree_sitter_typescript:language_tsx",
    ),
    Language(
        "go",
        (".go",),
        grammar="tree_sitter_go:language",
        family="go",
        line_comment="//",
        quotes=('"', "'", "`"),
        block_header=_BRACE_HEADER,
        block_types=frozenset({"block", "field_declaration_list"}),
    ),
    Language(
        "rust",
        (".rs",),
        grammar="tree_sitter_rust:language",
        family="rust",
        line_comment="//",
        quotes=('"',),  # an apostrophe also starts a lifetime
        block_header=_BRACE_HEADER,
        block_types=frozenset(
            {
                "block",
                "declaration_list",
                "enum_variant_list",
                "field_declaration_list",
                "match_block",
            }
        ),
    ),
    Language(
        "java",
        (".java",),
        grammar="tree_sitter_java:language",
        family="java",
        line_comment="//",
        quotes=('"""', '"', "'"),
        block_header=_BRACE_HEADER,
        block_types=frozenset(
            {
                "block",
                "class_body",
                "constructor_body",
                "enum_body",
                "interface_body",
                "switch_block",
            }
        ),
    ),
    _C,
    replace(
        _C,
        id="cpp",
        suffixes=(".cpp", ".cc", ".cxx", ".hpp", ".hh", ".hxx", ".cu", ".cuh"),
        grammar="tree_sitter_cpp:language",
        family="cpp",
        block_types=_C.block_types | {"declaration_list"},
    ),
    Language("csharp", (".cs",), aliases=("cs",), line_comment="//", block_header=_BRACE_HEADER),
    Language("css", (".css",), block_header=_BRACE_HEADER),
    Language("dart", (".dart",), line_comment="//", block_header=_BRACE_HEADER),
    Language(
        "dockerfile", (".dockerfile",), filenames=("Containerfile", "Dockerfile"), line_comment="#"
    ),
    Language("elixir", (".ex", ".exs"), line_comment="#", block_header=r"\bdo$"),
    Language("haskell", (".hs",), line_comment="--", quotes=('"',)),
    Language("html", (".html", ".htm"), quotes=()),
    Language("json", (".json",), quotes=('"',)),
    Language("julia", (".jl",), line_comment="#", quotes=('"""', '"'), block_header=_END_HEADER),
    Language("kotlin", (".kt", ".kts"), line_comment="//", block_header=_BRACE_HEADER),
    Language("lua", (".lua",), line_comment="--", block_header=_END_HEADER),
    Language(
        "makefile",
        (".mk",),
        aliases=("make",),
        filenames=("GNUmakefile", "Makefile", "makefile"),
        line_comment="#",
        quotes=(),
    ),
    Language("markdown", (".md", ".markdown"), quotes=()),
    Language("perl", (".pl", ".pm"), line_comment="#", block_header=_BRACE_HEADER),
    Language("php", (".php",), line_comment="//", block_header=_BRACE_HEADER),
    Language("r", (".r",), line_comment="#", block_header=_BRACE_HEADER),
    Language(
        "ruby",
        (".rb",),
        filenames=("Gemfile", "Rakefile"),
        line_comment="#",
        block_header=_END_HEADER,
    ),
    Language("scala", (".scala", ".sc"), line_comment="//", block_header=_BRACE_HEADER),
    Language(
        "shellscript",
        (".sh", ".bash", ".zsh"),
        aliases=("bash", "sh", "zsh"),
        line_comment="#",
        block_header=r"\{$|\b(?:do|else|then)$",
    ),
    Language("sql", (".sql",), line_comment="--"),
    Language("swift", (".swift",), line_comment="//", block_header=_BRACE_HEADER),
    Language("toml", (".toml",), line_comment="#"),
    Language("yaml", (".yaml", ".yml"), line_comment="#"),
    Language("zig", (".zig",), line_comment="//", block_header=_BRACE_HEADER),
)

_BY_NAME = {name: row for row in LANGUAGES for name in (row.id, *row.aliases)}
_BY_SUFFIX = {suffix: row.id for row in LANGUAGES for suffix in row.suffixes}
_BY_FILENAME = {name: row.id for row in LANGUAGES for name in row.filenames}


def get_language(language_id: str) -> Language | None:
    """Return a language's row by its languageId or an alias, or None for one not in the table."""
    return _BY_NAME.get(language_id)


def language_of(path: PurePath | str) -> str:
    """Return the languageId of a file by its name, "plaintext" where the table has none."""
    path = PurePath(path)
    by_suffix = _BY_SUFFIX.get(path.suffix.lower(), PLAIN_TEXT)
    return _BY_FILENAME.get(path.name, by_suffix)
