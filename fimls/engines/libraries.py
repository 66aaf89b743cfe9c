"""What torch's companions would do of their own accord, and must not."""

from __future__ import annotations

import logging
import sys
import warnings


def tame() -> None:
    """Keep them offline and quiet; to be called before peft or bitsandbytes is imported.

    Where the package ``kernels`` is installed, bitsandbytes fetches compiled code from the hub
    while it is imported on a CPU with bf16, and runs it; where it isn't, that is logged each time.
    None in ``sys.modules`` stands for a module that can't be imported. (To switch the hub off as a
    whole would switch off ``fimls pull`` in the same process.)
    """
    sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    # peft 0.21 still asks transformers 5 by the old name.
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
