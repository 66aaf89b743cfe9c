"""The flights that a keystroke may be answered from.

A flight is found by the text around the cursor, not by its offset: edits elsewhere in the file and
a moved prompt window leave it usable. It fits if the prefix ends as the flight's did plus what was
typed since, the suffix begins as it did (but for closers, which come and go), and what was typed is
what the flight wrote.
"""

from __future__ import annotations

from collections import OrderedDict

from fimls.completer.asking import Request, essence
from fimls.completer.flight import Flight

TYPED_CHARS_MAX = 200
"""How much may have been typed since a flight started."""
_PREFIX_CHARS = 1500
_FLIGHTS_MAX = 64


class Flights:
    """The most recent flights of all documents, the least recently used dropped first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Flight, str] = OrderedDict()

    def add(self, uri: str, flight: Flight) -> None:
        """Keep a flight."""
        self._kept[flight] = uri
        while len(self._kept) > _FLIGHTS_MAX:
            oldest, _ = self._kept.popitem(last=False)
            oldest.cancel()

    def find(self, request: Request) -> tuple[Flight, str] | None:
        """The latest flight that fits, and what was typed since it started."""
        suffix = essence(request.suffix)
        for flight, uri in reversed(self._kept.items()):
            if uri != request.document.uri or not _is_usable(flight, request):
                continue
            if essence(flight.context.suffix) != suffix:
                continue
            typed = _typed_since(flight, request.prefix)
            if typed is not None:
                self._kept.move_to_end(flight)
                return flight, typed
        return None

    def under_way(self, uri: str) -> list[Flight]:
        """A document's flights that have not landed."""
        return [one for one, its_uri in self._kept.items() if its_uri == uri and not one.landed]

    def take_failure(self, uri: str) -> Exception | None:
        """Why a document's generation failed after nobody waited for it any more; told once."""
        for flight, its_uri in self._kept.items():
            if its_uri == uri and flight.error is not None:
                del self._kept[flight]
                return flight.error
        return None

    def drop(self, flight: Flight) -> None:
        """Forget one flight."""
        self._kept.pop(flight, None)

    def cancel(self, uri: str) -> None:
        """Give up what is under way for a document."""
        for flight in self.under_way(uri):
            flight.cancel()

    def forget(self, uri: str) -> None:
        """Give up and drop a document's flights."""
        self.cancel(uri)
        for flight in [one for one, its_uri in self._kept.items() if its_uri == uri]:
            del self._kept[flight]

    def clear(self) -> list[Flight]:
        """Give up and drop all flights; they are returned, to be closed."""
        flights = list(self._kept)
        for flight in flights:
            flight.cancel()
        self._kept.clear()
        return flights


def _is_usable(flight: Flight, request: Request) -> bool:
    cut_off = flight.given_up and not all(one.complete for one in flight.candidates)
    return (
        flight.error is None
        and not cut_off
        and len(flight.candidates) >= request.candidates
        and request.mode in {None, flight.context.mode}
    )


def _typed_since(flight: Flight, prefix: str) -> str | None:
    """What follows the flight's prefix, if the flight agrees with it."""
    base = flight.context.prefix
    tail = base[-_PREFIX_CHARS:]
    whole = len(base) <= _PREFIX_CHARS
    for length in range(min(TYPED_CHARS_MAX, len(prefix)) + 1):
        end = len(prefix) - length
        if whole and end != len(base):
            continue
        if prefix.endswith(tail, 0, end) and flight.serves(prefix[end:]):
            return prefix[end:]
    return None
