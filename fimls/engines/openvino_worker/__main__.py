"""Load the model named on the command line, then serve until standard input ends."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from fimls.engines.openvino_worker.memory import release_mapped_weights
from fimls.engines.openvino_worker.model import PagedModel, Part
from fimls.engines.openvino_worker.service import DECODE_TOKENS, Service
from fimls.engines.prefix_blocks import KV_BLOCK_TOKENS, PrefixBlocks


def main() -> None:
    """Arguments: the model's folder, tokens of a prefill step, blocks, properties as JSON."""
    directory, prefill_chunk, block_count, properties = sys.argv[1:]
    # Native code may print; the protocol keeps the real standard output for itself.
    output = os.dup(1)
    os.dup2(2, 1)
    blocks = PrefixBlocks(int(block_count))
    model = PagedModel(
        Path(directory),
        blocks=blocks.capacity,
        block_tokens=KV_BLOCK_TOKENS,
        properties=json.loads(properties),
    )
    # The first run packs the weights; other widths than this take some milliseconds more once.
    model.step([Part(range(DECODE_TOKENS), 0, range(blocks.capacity), DECODE_TOKENS)])
    release_mapped_weights()
    chunk = int(prefill_chunk)
    Service(model, blocks, prefill_chunk=chunk, input_fd=0, output_fd=output).run()


if __name__ == "__main__":
    main()
