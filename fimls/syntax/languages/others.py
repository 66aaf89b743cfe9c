"""Languages without a grammar: they are completed too, from their lines alone."""

from __future__ import annotations

from fimls.syntax.language import BRACE_HEADER, C_COMMENT, END_HEADER, Blocks, Language

LANGUAGES = (
    Language(id="css", suffixes=(".css",), block_header=BRACE_HEADER, definitions=None),
    Language(
        id="dart",
        suffixes=(".dart",),
        line_comment="//",
        block_comment=C_COMMENT,
        block_header=BRACE_HEADER,
    ),
    Language(
        id="dockerfile",
        suffixes=(".dockerfile",),
        filenames=("Containerfile", "Dockerfile"),
        line_comment="#",
        definitions=None,
    ),
    Language(id="elixir", suffixes=(".ex", ".exs"), line_comment="#", block_header=r"\bdo$"),
    Language(id="haskell", suffixes=(".hs",), line_comment="--", quotes=('"',)),
    Language(id="html", suffixes=(".html", ".htm"), quotes=(), definitions=None),
    Language(id="json", suffixes=(".json",), quotes=('"',), definitions=None),
    Language(
        id="julia",
        blocks=Blocks.WORDS,
        suffixes=(".jl",),
        line_comment="#",
        quotes=('"""', '"'),
        block_header=END_HEADER,
    ),
    Language(
        id="kotlin",
        related="jvm",
        suffixes=(".kt", ".kts"),
        line_comment="//",
        block_comment=C_COMMENT,
        block_header=BRACE_HEADER,
    ),
    Language(
        id="makefile",
        suffixes=(".mk",),
        aliases=("make",),
        filenames=("GNUmakefile", "Makefile", "makefile"),
        line_comment="#",
        quotes=(),
        definitions=None,
    ),
    Language(id="markdown", prose=True, suffixes=(".md", ".markdown"), quotes=(), definitions=None),
    Language(id="perl", suffixes=(".pl", ".pm"), line_comment="#", block_header=BRACE_HEADER),
    Language(id="r", suffixes=(".r",), line_comment="#", block_header=BRACE_HEADER),
    Language(
        id="scala",
        related="jvm",
        suffixes=(".scala", ".sc"),
        line_comment="//",
        block_comment=C_COMMENT,
        block_header=BRACE_HEADER,
    ),
    Language(id="sql", suffixes=(".sql",), line_comment="--", definitions=None),
    Language(
        id="swift",
        suffixes=(".swift",),
        line_comment="//",
        block_comment=C_COMMENT,
        block_header=BRACE_HEADER,
    ),
    Language(id="toml", suffixes=(".toml",), line_comment="#", definitions=None),
    Language(id="yaml", suffixes=(".yaml", ".yml"), line_comment="#", definitions=None),
    Language(
        id="zig",
        suffixes=(".zig",),
        line_comment="//",
        block_comment=C_COMMENT,
        block_header=BRACE_HEADER,
    ),
)
