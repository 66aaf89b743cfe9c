"""Models, wheels and specs of a few kilobytes, for the store's tests."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants

from fimls.store.models import ModelSpec, Wheel

HIDDEN, LAYERS, HEADS, KV_HEADS, INNER = 64, 2, 4, 2, 96
CONTROL = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
Q8_0 = GGMLQuantizationType.Q8_0


def byte_tokens() -> list[str]:
    """The 256 tokens of byte-level BPE, in the order of their bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (chr(0x100 + index) for index in range(256))
    return [chr(byte) if byte in plain else next(others) for byte in range(256)]


def vocabulary(unused: int = 0) -> tuple[list[str], list[int], list[str]]:
    """Tokens, their types and merges: 256 bytes, two merges, control tokens, unused rows."""
    merges = ["d e", "de f"]
    tokens = [*byte_tokens(), *(merge.replace(" ", "") for merge in merges), *CONTROL]
    types = [int(TokenType.NORMAL)] * (len(tokens) - len(CONTROL))
    types += [int(TokenType.CONTROL)] * len(CONTROL) + [int(TokenType.UNUSED)] * unused
    tokens += [f"[PAD{len(tokens) + index}]" for index in range(unused)]
    return tokens, types, merges


def tensors(arch: str, rows: int, *, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Random weights of a tied model, by GGUF name."""
    random = np.random.default_rng(seed)

    def matrix(*shape: int) -> npt.NDArray[np.float32]:
        return (random.standard_normal(shape) * 0.1).astype(np.float32)

    key_rows = HIDDEN // HEADS * KV_HEADS
    weights = {
        "token_embd.weight": matrix(rows, HIDDEN),
        "output_norm.weight": np.ones(HIDDEN, np.float32),
    }
    for layer in range(LAYERS):
        block = {
            "attn_norm.weight": np.ones(HIDDEN, np.float32),
            "ffn_norm.weight": np.ones(HIDDEN, np.float32),
            "attn_q.weight": matrix(HIDDEN, HIDDEN),
            "attn_k.weight": matrix(key_rows, HIDDEN),
            "attn_v.weight": matrix(key_rows, HIDDEN),
            "attn_output.weight": matrix(HIDDEN, HIDDEN),
            "ffn_gate.weight": matrix(INNER, HIDDEN),
            "ffn_up.weight": matrix(INNER, HIDDEN),
            "ffn_down.weight": matrix(HIDDEN, INNER),
        }
        if arch == "qwen2":
            block |= {
                "attn_q.bias": matrix(HIDDEN),
                "attn_k.bias": matrix(key_rows),
                "attn_v.bias": matrix(key_rows),
            }
        weights |= {f"blk.{layer}.{name}": weight for name, weight in block.items()}
    return weights


def write_model(
    path: Path,
    arch: str = "qwen2",
    *,
    unused: int = 0,
    weights: Mapping[str, npt.NDArray[np.float32]] | None = None,
    kinds: Mapping[str, GGMLQuantizationType] | None = None,
    pre: str = "qwen2",
) -> Path:
    """Write a GGUF file that llama.cpp's family of readers would take.

    weights: instead of random ones. kinds: quantizations by tensor name; the others are float32.
    """
    tokens, types, merges = vocabulary(unused)
    writer = GGUFWriter(path, arch)
    writer.add_context_length(256)
    writer.add_block_count(LAYERS)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index(CONTROL[0]))
    writer.add_eos_token_id(tokens.index(CONTROL[0]))
    writer.add_pad_token_id(tokens.index(CONTROL[0]))
    for name, weight in (weights or tensors(arch, len(tokens))).items():
        kind = (kinds or {}).get(name)
        data: npt.NDArray[Any] = weight if kind is None else quants.quantize(weight, kind)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_wheel(folder: Path, package: str, data: bytes) -> Wheel:
    """Write an installable wheel that carries ``data``."""
    module = package.replace("-", "_")
    name, member = f"{module}-1.0-py3-none-any.whl", f"{module}/data/part01.bin"
    about = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{module}/__init__.py", "raise RuntimeError('never to be imported')")
        archive.writestr(member, data)
        archive.writestr(
            f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{about}/WHEEL",
            "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr(f"{about}/RECORD", "")
    sha256 = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    return Wheel(package, "1.0", name, sha256, member)


def make_spec(data: bytes, wheels: Sequence[Wheel] = (), **changes: Any) -> ModelSpec:
    """A model whose file is ``data``."""
    return ModelSpec(
        **{
            "name": "tiny-model",
            "aliases": ("tiny",),
            "file": "tiny.gguf",
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "licence": "Apache-2.0",
            "format": "qwen2.5-coder",
            "wheels": tuple(wheels),
            **changes,
        }
    )
