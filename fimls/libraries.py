"""What the libraries that fimls uses would do of their own accord, and must not."""

from __future__ import annotations

import logging
import os
import sys
import warnings

_NEVER_IMPORTED = ("kernels", "openvino_telemetry")
_NO_REPORTS = ("DO_NOT_TRACK", "HF_HUB_DISABLE_TELEMETRY")


def tame() -> None:
    """Keep them offline and quiet; to be called before one of them is imported.

    OpenVINO's tools import ``openvino_telemetry``, where it is installed, and pip installs it with
    them: it would write a client id to the home directory and post it, with what is used, to an
    analytics server. Without it they go on with a stub of their own. There is no other way to
    decline than a file in the home directory.

    Where the package ``kernels`` is installed, bitsandbytes fetches compiled code from the hub
    while it is imported on a CPU with bf16, and runs it; where it isn't, that is logged each time.
    None in ``sys.modules`` stands for a module that can't be imported. (To switch the hub off as a
    whole would switch off ``fimls pull`` in the same process; ``go_offline`` does.)

    The Hugging Face libraries report what is used only where nobody says no.
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
