"""A llama.cpp server for one GGUF file, on a loopback port, until its parent is gone.

In a process of its own: llama.cpp's threads and memory go with it.
"""

import contextlib
import os
import sys

import xllamacpp

from fimls.child import Parent, ParentGoneError

_CONTEXT_TOKENS = 4096


def main(gguf: str) -> None:
    """Serve; the message ``{"address"}`` says that the model is loaded."""
    parent = Parent.connect()
    params = xllamacpp.CommonParams()
    params.model.path = gguf
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx, params.n_parallel, params.warmup = _CONTEXT_TOKENS, 1, False
    params.cpuparams.n_threads = os.cpu_count() or 1
    # Its threads wait for each other at every operation: polling would starve a busy machine.
    params.cpuparams.poll = params.cpuparams_batch.poll = 0
    params.endpoint_slots = True
    server = xllamacpp.Server(params)
    with contextlib.suppress(ParentGoneError):
        parent.send(address=server.listening_address)
        parent.receive(timeout_s=None)
    os._exit(0)  # its threads don't end by themselves


if __name__ == "__main__":
    main(sys.argv[1])
