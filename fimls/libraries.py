"""Keeps libraries from what they do unasked: reporting their use, fetching code, and warning."""

from __future__ import annotations

import logging
import os
import sys
import warnings

_NEVER_IMPORTED = ("kernels", "openvino_telemetry")
_NO_REPORTS = ("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY")


def tame() -> None:
    """Keep them offline and quiet; to be called before one of them is imported.

    OpenVINO's tools import ``openvino_telemetry``, which pip installs with them. It writes a client
    id to the home directory and posts it to an analytics server, with what is used. Without it the
    tools use a stub of their own. The only other way to decline is a file in the home directory.

    If the package ``kernels`` is installed, bitsandbytes fetches compiled code from the hub when it
    is imported on a CPU with bf16, and runs it; if not, it logs that each time. (Switching the hub
    off altogether, as ``go_offline`` does, would disable ``fimls pull`` in the same process.)

    None in ``sys.modules`` makes an import fail. The Hugging Face libraries report what is used
    unless an environment variable says no.
    """
    for name in _NEVER_IMPORTED:
        sys.modules[name] = None  # type: ignore[assignment]
    for name in _NO_REPORTS:
        os.environ[name] = "1"
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # peft 0.21 still asks transformers 5 by the old name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


def go_offline() -> None:
    """Switch the hub off for this process and its children; for commands that never pull."""
    tame()
    os.environ["HF_HUB_OFFLINE"] = "1"
