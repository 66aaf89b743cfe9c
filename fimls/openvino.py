"""OpenVINO as fimls imports it: without the part that reports its use to its makers.

No other module imports it or GenAI; an import contract sees to that.
"""

from __future__ import annotations

from typing import Any

from fimls.libraries import tame

tame()

import openvino  # noqa: E402 - tamed before
from openvino import opset13 as ops  # noqa: E402
from openvino._offline_transformations import paged_attention_transformation  # noqa: E402

__all__ = ["load_genai", "openvino", "ops", "paged_attention_transformation"]


def load_genai() -> Any:
    """Import OpenVINO GenAI, which takes a second and is needed for conversions only."""
    import openvino_genai

    return openvino_genai
