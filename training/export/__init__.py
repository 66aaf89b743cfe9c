"""Export: an adapter merged into its base, for other programs, and whether they agree with it.

``source`` finds adapter and base, ``export`` writes the folder (``huggingface`` one of its three
forms), ``agreement`` compares the engines' greedy outputs.
"""

from training.export.agreement import Agreement, EngineAgreement, check_agreement
from training.export.export import (
    EXPORT_QUANTIZATIONS,
    Exported,
    ExportSource,
    Target,
    export_adapter,
)

__all__ = [
    "EXPORT_QUANTIZATIONS",
    "Agreement",
    "EngineAgreement",
    "ExportSource",
    "Exported",
    "Target",
    "check_agreement",
    "export_adapter",
]
