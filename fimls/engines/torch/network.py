"""A transformers model, on its device, with the adapter and the quantization that are asked for."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fimls.fim import Manifest
from fimls.libraries import tame
from fimls.types import CapabilityError, ModelError

QUANTIZATIONS = ("nf4", "int8bnb")
"""bitsandbytes' 4-bit NormalFloat and 8-bit; on CUDA only."""


def load_network(
    path: Path,
    *,
    manifest: Manifest,
    adapter: Path | None,
    device: str,
    quantization: str | None,
) -> Any:
    """Load a model to run it; blocks for seconds. Arguments and errors are those of
    :meth:`fimls.engines.torch.TorchEngine.load`.
    """
    torch = library("torch")
    transformers = library("transformers")
    device = _device(torch, device)
    options = _quantization_options(torch, transformers, quantization, device, path)
    # bf16 halves what each token reads on a GPU; most CPUs compute it slower than float32.
    options["dtype"] = torch.bfloat16 if device == "cuda" else torch.float32
    if path.is_file():
        library("accelerate")
        _tell_version_of_gguf()
        folder, options["gguf_file"] = path.parent, path.name
    else:
        folder = path
    try:
        with _without_progress_bars(transformers):
            network = transformers.AutoModelForCausalLM.from_pretrained(
                folder, local_files_only=True, **options
            )
        if quantization is None:
            network = network.to(device)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"transformers can't load {path}: {error}",
            hint="give a Hugging Face model folder or a GGUF file of a supported architecture",
        ) from error
    if adapter is not None:
        network = _with_adapter(network, adapter, manifest, merge=quantization is None)
    return network.eval()


def library(name: str) -> Any:
    """One of the extra's libraries.

    Raises:
        CapabilityError: it isn't installed.
    """
    tame()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise CapabilityError(
            f"the torch engine needs {error.name}, which is not installed",
            hint='pip install "fimls[torch]"',
        ) from error


@contextlib.contextmanager
def _without_progress_bars(transformers: Any) -> Iterator[None]:
    """A server's standard error is an editor's log, where a bar is a thousand lines."""
    settings = transformers.utils.logging
    enabled = settings.is_progress_bar_enabled()
    settings.disable_progress_bar()
    try:
        yield
    finally:
        if enabled:
            settings.enable_progress_bar()


def _tell_version_of_gguf() -> None:
    """Let transformers find the version of the package that it reads GGUF files with.

    Python 3.10 can't say which distribution the module is from. transformers then asks the module
    itself, which has no version, and refuses to load.
    """
    module: Any = importlib.import_module("gguf")
    if not hasattr(module, "__version__"):
        module.__version__ = importlib.metadata.version("gguf")


def _device(torch: Any, wanted: str) -> str:
    if wanted not in {"auto", "cpu", "cuda"}:
        raise CapabilityError(
            f"the torch engine knows no device {wanted!r}", hint="use auto, cpu or cuda"
        )
    cuda = torch.cuda.is_available()
    if wanted == "cuda" and not cuda:
        raise CapabilityError(
            "this machine, or this build of torch, has no CUDA device",
            hint="use device = auto, or install a CUDA build of torch",
        )
    return "cuda" if cuda and wanted != "cpu" else "cpu"


def _quantization_options(
    torch: Any, transformers: Any, quantization: str | None, device: str, path: Path
) -> dict[str, Any]:
    """Keyword arguments of ``from_pretrained``."""
    if quantization is None:
        return {}
    if quantization not in QUANTIZATIONS:
        raise CapabilityError(
            f"the torch engine knows no quantization {quantization!r}",
            hint=f"use one of {', '.join(QUANTIZATIONS)}",
        )
    if device != "cuda":
        raise CapabilityError(
            f"the quantization {quantization} needs a CUDA device",
            hint="on a CPU use the openvino engine, whose models are quantized",
        )
    if path.is_file():
        raise CapabilityError(
            f"the quantization {quantization} needs a Hugging Face model folder, not a GGUF file",
            hint="give the model's folder, or leave quantization out",
        )
    library("bitsandbytes")
    config = (
        transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        if quantization == "nf4"
        else transformers.BitsAndBytesConfig(load_in_8bit=True)
    )
    return {"quantization_config": config, "device_map": {"": 0}}


def _with_adapter(network: Any, adapter: Path, manifest: Manifest, *, merge: bool) -> Any:
    peft = library("peft")
    rows = max(manifest.control_ids.values(), default=-1) + 1
    if rows > network.get_input_embeddings().num_embeddings:
        # The adapter holds the rows of the tokens it added; here they only need a place.
        network.resize_token_embeddings(rows, mean_resizing=False)
    try:
        network = peft.PeftModel.from_pretrained(network, adapter)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"the adapter {adapter} can't be loaded onto {manifest.base}: {error}",
            hint="give a peft adapter's folder, trained on this base model",
        ) from error
    return network.merge_and_unload() if merge else network
