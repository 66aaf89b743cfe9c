"""The language server: what an editor talks to.

    streams     bytes in and out: standard streams or a socket; the editor's death
    shared      bytes passed on to a server that several editors share
    lobby       that server: a session for each connection, engines in common
    framing     bytes -> JSON-RPC messages, and protocol errors for what is none
    handshake   answers ``initialize`` before anything slow is imported
    protocol    pygls' protocol, where it falls short of LSP
    session     the handlers: one method for each message an editor sends
    documents   the open documents; positions -> offsets
    host        the engine: loaded behind the editor's back, replaced, fetched
    pool        engines that several sessions use
    drain       replaced engines, closed after their last request
    items       completions -> what LSP calls them

Positions are converted here and nowhere else. Nothing but the protocol is written to standard
output, and no log line holds code.
"""

from fimls.server.streams import serve

__all__ = ["serve"]
