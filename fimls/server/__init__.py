"""The language server: what an editor talks to.

    streams        bytes in and out: standard streams or a socket; the editor's death
    shared         bytes passed on to a server that several editors share
    listener       that server: a session for each connection, engines in common
    framing        bytes -> JSON-RPC messages, and protocol errors for what is none
    handshake      answers ``initialize`` before anything slow is imported
    protocol       pygls' protocol, where it falls short of LSP
    session        one editor's: a method for each message that it sends
    completions    the requests for completions, and completions as LSP has them
    editor         what the server tells and asks the editor
    documents      the open documents; positions -> offsets
    configuration  the settings of a session, from all their sources
    host           the engine of a session: loaded, replaced, fetched
    pool           engines that several sessions use
    feedback       what became of completions, from the editor's events
    logs           the log, and where it is
    why            the explanation of the last request

Positions are converted here and nowhere else. Nothing but the protocol is written to standard
output, and no log line holds code.
"""

from fimls.server.streams import serve

__all__ = ["serve"]
