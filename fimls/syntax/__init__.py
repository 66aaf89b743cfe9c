"""What a file's language is, and what the syntax says about a place in it.

``languages`` is the table; ``tree`` parses and looks at trees; ``cursor`` answers questions about
the cursor, for languages without a grammar too. All functions are pure; grammars load at first use.
"""

from fimls.syntax.cursor import block_starts_here, in_string_or_comment
from fimls.syntax.languages import LANGUAGES, Language, get_language, language_of
from fimls.syntax.tree import MAX_PARSE_BYTES, error_count, node_at, parse

__all__ = [
    "LANGUAGES",
    "MAX_PARSE_BYTES",
    "Language",
    "block_starts_here",
    "error_count",
    "get_language",
    "in_string_or_comment",
    "language_of",
    "node_at",
    "parse",
]
