"""Whether a completion is worth showing, and whether to ask for one inside a line."""

from __future__ import annotations

import re

from fimls.postprocess.draft import Draft, rest_of_line, typed_on_line
from fimls.postprocess.surroundings import surroundings_of
from fimls.types import CompletionContext

MID_LINE = "code after the cursor"
"""Why nothing is asked for: the cursor stands inside a line, in front of more than closers."""

_CLOSERS_ONLY = re.compile(r"[\s)\]}>\"'`;,]*")
# As Copilot's: brackets and quotes that an editor inserted, and what ends a statement or a header.
_MAY_FOLLOW = re.compile(r"\s*[)>}\]\"'`]*\s*[:{;,]?\s*")


def may_complete_here(context: CompletionContext) -> str | None:
    """None where an automatic completion makes sense, or the reason why not.

    In front of other code on the line people mostly edit what is there. A request that was made on
    purpose is not for this rule.
    """
    return None if _MAY_FOLLOW.fullmatch(rest_of_line(context)) else MID_LINE


def drop_trifles(draft: Draft) -> str:
    """Drop a completion of closing brackets and quotes, unless something is open that they close.

    Editors insert those by themselves, and whoever types them is not helped by a suggestion.
    """
    if not _CLOSERS_ONLY.fullmatch(draft.text):
        return draft.text
    around = surroundings_of(draft.context)
    line = typed_on_line(draft.context) + rest_of_line(draft.context)
    in_string = any(quote in draft.text and line.count(quote) % 2 for quote in "\"'`")
    return "" if around.known and min(around.missing) >= 0 and not in_string else draft.text
