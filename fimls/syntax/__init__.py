"""What a file's language is, and what the syntax says about a place in it.

``languages`` is the table, a file for each, and ``language`` what it says of one; ``tree`` parses;
``cursor`` answers whether a block starts, for languages without a grammar too; ``outline`` says
what a file defines and imports, ``modules`` where that leads; ``words`` which names it uses. All
functions are pure; grammars load at first use.
"""

from fimls.syntax.cursor import block_starts_here
from fimls.syntax.definitions import Definition
from fimls.syntax.language import Language
from fimls.syntax.languages import LANGUAGES, get_language, is_prose, language_of
from fimls.syntax.modules import Import
from fimls.syntax.outline import Outline, outline, skeleton
from fimls.syntax.tree import MAX_PARSE_BYTES, error_count, parse
from fimls.syntax.words import identifiers, known_words

__all__ = [
    "LANGUAGES",
    "MAX_PARSE_BYTES",
    "Definition",
    "Import",
    "Language",
    "Outline",
    "block_starts_here",
    "error_count",
    "get_language",
    "identifiers",
    "is_prose",
    "known_words",
    "language_of",
    "outline",
    "parse",
    "skeleton",
]
