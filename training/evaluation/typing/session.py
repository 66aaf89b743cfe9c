"""One function, typed: keys out, answers in, suggestions taken."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fimls.syntax import get_language, language_of
from fimls.text import LineIndex
from training.evaluation.typing.client import Answer, Client, RequestFailedError
from training.evaluation.typing.explainer import Explainer
from training.evaluation.typing.looks import ENCODING, Look, Outcome, suggestions_of, taken_length
from training.evaluation.typing.plan import Task
from training.evaluation.typing.rhythm import Key
from training.evaluation.typing.tally import Tally
from training.evaluation.typing.typist import Edit, Typist

Pace = Literal["human", "wait"]
Looks = Literal["key", "word", "line"]

_AUTOMATIC = 2
_CANCELLED = -32800
_ANSWER_TIMEOUT_S = 60.0
_OPENING_MS = 1_000.0
_FOLLOWING_MS = 150.0  # before a key that only corrects what the editor did
_EXPLAINING_MS = 100.0  # with less time until the next key, nothing is asked that could delay it


@dataclass(frozen=True, slots=True)
class Habits:
    """How the person types."""

    pace: Pace = "human"
    """At human rhythm, or waiting for each answer."""
    looks: Looks = "key"
    """Where the server is asked: after each key, or where a word or a line begins."""
    read_ms: float = 250.0
    """The time between seeing a suggestion and taking it."""
    close_brackets: bool = True
    """Whether the editor closes brackets."""


class Session:
    """Types the function of one task.

    folder: the workspace, where the body is missing from its file. text: the whole of that file.
    """

    def __init__(
        self,
        client: Client,
        explainer: Explainer,
        folder: Path,
        text: str,
        task: Task,
        *,
        habits: Habits,
    ) -> None:
        function = task.function
        self.tally = Tally(task)
        self._client = client
        self._explainer = explainer
        self._folder = folder
        self._task = task
        self._habits = habits
        self._uri = (folder / task.path).as_uri()
        self._version = 1
        language = get_language(task.language_id)
        self._typist = Typist(
            text[: function.start] + text[function.end :],
            function.start,
            task.body,
            unit=function.unit,
            colon_indents=language is not None and language.indented,
            close_brackets=habits.close_brackets,
        )
        self._sent_text = self._typist.text
        self._look: Look | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._sent_s = 0.0
        self._slipped_at = -1
        self._explaining: asyncio.Task[None] | None = None

    @property
    def typed(self) -> int:
        """How many characters of the body are in the document."""
        return self._typist.matched

    async def run(self, stop: asyncio.Event) -> None:
        """Type until the function is complete or ``stop`` is set.

        Raises:
            ServerGoneError: the server ended.
        """
        opened = self._open()
        try:
            await self._rest(_OPENING_MS)
            while not self._typist.done and not stop.is_set():
                await self._next_key()
            await self._wait(0.0)
            self.tally.finished = self._typist.done
        finally:
            self._give_up_look()
            if self._explaining is not None:
                await asyncio.gather(self._explaining, return_exceptions=True)
            for uri in (*opened, self._uri):
                document = {"textDocument": {"uri": uri}}
                self._client.notify("textDocument/didClose", document)

    def _open(self) -> list[str]:
        """Open the files beside it, then the file itself; return the URIs of the former."""
        opened = []
        for path in self._task.neighbours:
            file = self._folder / path
            self._did_open(file.as_uri(), path, file.read_bytes().decode())
            opened.append(file.as_uri())
        self._did_open(self._uri, self._task.path, self._typist.text)
        return opened

    def _did_open(self, uri: str, path: str, text: str) -> None:
        item = {"uri": uri, "languageId": language_of(path), "version": 1, "text": text}
        self._client.notify("textDocument/didOpen", {"textDocument": item})

    async def _next_key(self) -> None:
        """Wait as long as a person does, then take what came meanwhile or press the next key."""
        typist, position = self._typist, self._typist.matched
        keys = self._task.keys
        key = keys[position] if position < len(keys) else Key(_FOLLOWING_MS)
        following = not typist.on_track or position == len(keys)
        if await self._wait(_FOLLOWING_MS if following else key.pause_ms):
            return
        if key.slip and self._slipped_at != position and typist.on_track:
            self._slipped_at = position
            await self._slip(key)
        edit = typist.press()
        if edit is not None:
            self.tally.pressed()
            self._send(edit)

    async def _slip(self, key: Key) -> None:
        typist = self._typist
        strokes = [*key.slip, *("" for _ in key.slip)]
        for stroke, pause_ms in zip(strokes, key.correction_ms, strict=True):
            edit = typist.slip(stroke) if stroke else typist.unslip()
            self.tally.pressed(wrong=True)
            self._send(edit)
            await self._wait(pause_ms)

    async def _wait(self, pause_ms: float) -> bool:
        """Wait for a pause to pass. Returns whether a suggestion came and was taken."""
        human = self._habits.pace == "human"
        until = time.perf_counter() + pause_ms / 1000
        if self._look is not None and self._answer is not None:
            timeout_s = pause_ms / 1000 if human else _ANSWER_TIMEOUT_S
            await asyncio.wait({self._answer}, timeout=timeout_s)
            if self._answer.done() or not human:
                taken = self._settle(self._look, self._answer)
                await self._explain(until)
                if taken is not None:
                    await self._accept(*taken)
                    return True
        await self._rest((until - time.perf_counter()) * 1000)
        return False

    async def _explain(self, until: float) -> None:
        """Fetch explanations: at once if keys wait, else during the pause if it is long."""
        if self._habits.pace == "wait":
            await self._explainer.fetch()
        elif (until - time.perf_counter()) * 1000 > _EXPLAINING_MS:
            if self._explaining is not None and self._explaining.done():
                self._explaining.result()
                self._explaining = None
            if self._explaining is None:
                self._explaining = asyncio.create_task(self._explainer.fetch())

    async def _rest(self, pause_ms: float) -> None:
        if self._habits.pace == "human" and pause_ms > 0:
            await asyncio.sleep(pause_ms / 1000)

    def _settle(self, look: Look, answer: asyncio.Future[Answer]) -> tuple[Look, int] | None:
        """Note an answer; return its look, and how much a person takes of the first suggestion.

        Raises:
            ServerGoneError: the server ended.
        """
        self._look = self._answer = None
        if not answer.done():
            look.outcome = Outcome.LATE
            self._client.cancel(look.request_id)
        else:
            try:
                result, at_s = answer.result()
            except RequestFailedError as error:
                cancelled = error.code == _CANCELLED
                look.outcome = Outcome.SUPERSEDED if cancelled else Outcome.FAILED
            else:
                look.outcome = Outcome.ANSWERED
                look.latency_ms = (at_s - self._sent_s) * 1000
                text, offset = self._typist.text, self._typist.cursor
                look.suggestions = suggestions_of(result, text, offset)
                if look.suggestions:
                    self._tell_about("textDocument/didShowCompletion", look)
        self.tally.looked(look)
        if not look.suggestions:
            return None
        text = look.suggestions[0].text
        length = taken_length(text, self._typist.rest, self._typist.agreement(text))
        return (look, length) if length else None

    async def _accept(self, look: Look, length: int) -> None:
        """Take the first ``length`` characters of a look's suggestion."""
        await self._rest(self._habits.read_ms)
        suggestion = look.suggestions[0]
        text = suggestion.text[:length]
        edit = self._typist.accept(text, suggestion.replaced)
        self.tally.took(look, length)
        self._send(edit, accepted=True)
        if length < len(suggestion.text):
            units = len(text.encode(f"{ENCODING}-le")) // 2
            self._tell_about(
                "textDocument/didPartiallyAcceptCompletion", look, acceptedLength=units
            )
        elif suggestion.command is not None:
            command = {name: suggestion.command.get(name) for name in ("command", "arguments")}
            self._client.ask("workspace/executeCommand", command)

    def _tell_about(self, method: str, look: Look, **more: int) -> None:
        """Tell the server what became of the first suggestion of a look, as editors do."""
        command = look.suggestions[0].command
        if command is not None:
            self._client.notify(method, {"item": {"command": command}, **more})

    def _send(self, edit: Edit, *, accepted: bool = False) -> None:
        """Send an edit and ask for what may follow; an earlier request is given up."""
        self._version += 1
        change = self._change(edit)
        self._sent_s = time.perf_counter()
        self._client.notify("textDocument/didChange", change)
        self._give_up_look()
        if accepted or self._looks_here():
            self._ask()

    def _change(self, edit: Edit) -> dict[str, Any]:
        lines = LineIndex(self._sent_text)
        start, end = (self._position(lines, offset) for offset in (edit.start, edit.end))
        self._sent_text = self._typist.text
        return {
            "textDocument": {"uri": self._uri, "version": self._version},
            "contentChanges": [{"range": {"start": start, "end": end}, "text": edit.text}],
        }

    def _position(self, lines: LineIndex, offset: int) -> dict[str, int]:
        place = lines.position(offset, ENCODING)
        return {"line": place.line, "character": place.character}

    def _looks_here(self) -> bool:
        if self._habits.looks == "key":
            return True
        at_line = self._habits.looks == "line"
        return self._typist.at_line_start if at_line else self._typist.at_word_start

    def _ask(self) -> None:
        typist = self._typist
        params = {
            "textDocument": {"uri": self._uri},
            "position": self._position(LineIndex(typist.text), typist.cursor),
            "context": {"triggerKind": _AUTOMATIC},
        }
        request_id, self._answer = self._client.ask("textDocument/inlineCompletion", params)
        self._look = Look(
            request_id=request_id,
            uri=self._uri,
            version=self._version,
            offset=typist.cursor,
            before=typist.text[self._task.function.start : typist.cursor],
            typed=typist.matched,
            on_track=typist.on_track,
        )
        self._explainer.expect(self._look, self._task, self.tally)

    def _give_up_look(self) -> None:
        if self._look is None:
            return
        self._client.cancel(self._look.request_id)
        self._look.outcome = Outcome.SUPERSEDED
        self.tally.looked(self._look)
        self._look = self._answer = None
