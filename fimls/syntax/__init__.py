"""What a file's language is, and what the syntax says about a place in it.

``languages`` is the table; ``tree`` parses and looks at trees; ``cursor`` answers questions about
the cursor, for languages without a grammar too; ``outline`` says what a file defines and imports;
``words`` which names it uses. All functions are pure; grammars load at first use.
"""

from fimls.syntax.cursor import block_starts_here, in_string_or_comment
from fimls.syntax.languages import LANGUAGES, Language, get_language, language_of
from fimls.syntax.outline import Definition, Import, Outline, enclosing, outline, skeleton
from fimls.syntax.tree import MAX_PARSE_BYTES, error_count, node_at, parse
from fimls.syntax.words import identifiers, known_words

__all__ = [
    "LANGUAGES",
    "MAX_PARSE_BYTES",
    "Definition",
    "Import",
    "Language",
    "Outline",
    "block_starts_here",
    "enclosing",
    "error_count",
    "get_language",
    "identifiers",
    "in_string_or_comment",
    "known_words",
    "language_of",
    "node_at",
    "outline",
    "parse",
    "skeleton",
]
