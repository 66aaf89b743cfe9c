"""A document while a function's body is typed into it, in an editor with its default settings.

The editor indents each new line. It adds a closing bracket after the cursor with each opening one,
lets it be typed over, and at Enter spreads a pair of brackets over three lines. The typist removes
what the editor adds and the body doesn't have.
"""

from __future__ import annotations

from dataclasses import dataclass

_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_CLOSES_BEFORE = frozenset(" \t\n;:.,=}])>`")  # VS Code's autoCloseBefore


@dataclass(frozen=True, slots=True)
class Edit:
    """``text`` replaces the document's ``start:end`` (code points) as it was before."""

    start: int
    end: int
    text: str


@dataclass(slots=True)
class _Closer:
    """What the editor added after the cursor for an opening bracket."""

    text: str
    """White space and the bracket."""
    partner: int | None
    """Where the body has that bracket; None if it doesn't."""


class Typist:
    """Types ``body`` at ``start`` of a text that doesn't hold it.

    text: the document now. cursor: an offset in it. matched: how many characters of the body are
    before the cursor.
    """

    def __init__(
        self,
        text: str,
        start: int,
        body: str,
        *,
        unit: str = "    ",
        colon_indents: bool = True,
        close_brackets: bool = True,
    ) -> None:
        self.text = text
        self.cursor = start
        self.matched = 0
        self._body = body
        self._unit = unit
        self._openers = tuple("([{:") if colon_indents else tuple("([{")
        self._close_brackets = close_brackets
        self._partners = _partners(body)
        self._closers: list[_Closer] = []  # the innermost first
        self._extra = ""  # indentation before the cursor that the body doesn't have there
        self._slipped = 0  # wrong characters before the cursor

    @property
    def done(self) -> bool:
        """Whether the document is what it should become."""
        return self.matched == len(self._body) and not (
            self._closers or self._extra or self._slipped
        )

    @property
    def rest(self) -> str:
        """The part of the body that is left to type."""
        return self._body[self.matched :]

    @property
    def on_track(self) -> bool:
        """Whether everything before the cursor is right."""
        return not self._extra and not self._slipped

    @property
    def at_word_start(self) -> bool:
        """Whether a word begins at the cursor; a line's first character counts as one."""
        before, after = self._body[self.matched - 1 : self.matched], self.rest[:1]
        starts = _is_word(after) and not _is_word(before)
        return self.on_track and (starts or self.at_line_start)

    @property
    def at_line_start(self) -> bool:
        """Whether the cursor is before the first character of a line of the body."""
        line = self._body[: self.matched].rpartition("\n")[2]
        return self.on_track and not line.strip() and bool(self.rest[:1].strip())

    def agreement(self, text: str) -> int:
        """Return how many first characters of ``text``, put at the cursor, the body has too."""
        # With wrong characters or indentation before the cursor nothing can be right.
        return common_length(text, self.rest) if self.on_track else 0

    def accept(self, text: str, replaced: int = 0) -> Edit:
        """Take a suggestion that agrees with the body. replaced: characters after the cursor."""
        edit = self._replace(self.cursor, self.cursor + replaced, text)
        self.matched += len(text)
        while replaced and self._closers:
            closer = self._closers[0]
            closer.text, replaced = closer.text[replaced:], max(0, replaced - len(closer.text))
            if not closer.text:
                del self._closers[0]
        return edit

    def slip(self, character: str) -> Edit:
        """Type a wrong character."""
        self._slipped += 1
        return self._replace(self.cursor, self.cursor, character)

    def unslip(self) -> Edit:
        """Delete the last wrong character."""
        self._slipped -= 1
        return self._replace(self.cursor - 1, self.cursor, "")

    def press(self) -> Edit | None:
        """Press the next right key. None if it only moves the cursor."""
        closer = self._closers[0] if self._closers else None
        if closer is not None and not self._is_wanted(closer):
            del self._closers[0]
            return self._replace(self.cursor, self.cursor + len(closer.text), "", self.cursor)
        if self._extra and not self.rest.startswith("\n"):
            levels = min(len(self._extra), len(self._unit))
            self._extra = self._extra[:-levels]
            return self._replace(self.cursor - levels, self.cursor, "")
        if closer is not None and self.rest.startswith(closer.text) and not self._extra:
            del self._closers[0]
            return self._pass(closer.text)
        if self.rest.startswith("\n"):
            return self._enter()
        indent = _indentation(self.rest) if self._at_indentation else ""
        return self._type(indent or self.rest[0])

    @property
    def _at_indentation(self) -> bool:
        return self._body[: self.matched].endswith("\n")

    def _is_wanted(self, closer: _Closer) -> bool:
        return closer.partner is not None and closer.partner >= self.matched

    def _pass(self, text: str) -> Edit | None:
        """Type over a bracket, or move down past one on a line of its own."""
        self.matched += len(text)
        if len(text) > 1:
            self.cursor += len(text)
            return None
        return self._replace(self.cursor, self.cursor + 1, text)

    def _type(self, text: str) -> Edit:
        opener = self.matched
        self.matched += len(text)
        after = self.text[self.cursor : self.cursor + 1]
        closer = _CLOSERS.get(text) if self._close_brackets else None
        if closer is None or (after and after not in _CLOSES_BEFORE):
            return self._replace(self.cursor, self.cursor, text)
        self._closers.insert(0, _Closer(closer, self._partners.get(opener)))
        return self._replace(self.cursor, self.cursor, text + closer, self.cursor + 1)

    def _enter(self) -> Edit:
        start = self.cursor - len(self._extra)  # a blank line keeps no white space
        line = self.text[self.text.rfind("\n", 0, start) + 1 : start]
        outer = _indentation(line) if line.strip() else line + self._extra
        opens = line.rstrip().endswith(self._openers)
        indent = outer + self._unit if opens else outer
        wanted = _indentation(self.rest[1:])
        common = common_length(indent, wanted)
        self.matched += 1 + common
        self._extra = indent[common:]
        below = ""
        if self._closers and line[-1:] == _opener(self._closers[0].text):
            below = f"\n{outer}"
            self._closers[0].text = below + self._closers[0].text
        text = f"\n{indent}"
        return self._replace(start, self.cursor, text + below, start + len(text))

    def _replace(self, start: int, end: int, text: str, cursor: int | None = None) -> Edit:
        self.text = self.text[:start] + text + self.text[end:]
        self.cursor = start + len(text) if cursor is None else cursor
        return Edit(start, end, text)


def common_length(one: str, other: str) -> int:
    """Return how many first characters two texts have in common."""
    pairs = zip(one, other)  # noqa: B905 - the shorter ends it
    differing = (index for index, (left, right) in enumerate(pairs) if left != right)
    return next(differing, min(len(one), len(other)))


def _partners(body: str) -> dict[int, int]:
    """Return where each opening bracket closes; those inside strings count like any other."""
    partners: dict[int, int] = {}
    openers: list[int] = []
    for index, character in enumerate(body):
        if character in _CLOSERS:
            openers.append(index)
        elif character in _CLOSERS.values():
            fitting = [at for at in openers if _CLOSERS[body[at]] == character]
            if fitting:
                partners[fitting[-1]] = index
                del openers[openers.index(fitting[-1]) :]
    return partners


def _opener(closer: str) -> str:
    return next((opener for opener, text in _CLOSERS.items() if text == closer), "")


def _indentation(text: str) -> str:
    return text[: len(text) - len(text.lstrip(" \t"))]


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
