"""The probe: what a completion server is and can do, found out with a one-token request."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import httpx

from fimls.engines.base import Capabilities
from fimls.engines.http.client import ServerClient
from fimls.engines.http.wire import (
    OPENAI_PATH,
    LlamaServerWire,
    OpenAiWire,
    Wire,
    healing_grammar,
    token_id,
)
from fimls.fim import Manifest, Tokenizer
from fimls.types import EngineError, ModelError, UnknownModelError

_log = logging.getLogger(__name__)

_PROBE_TEXT = "def f():\n"  # ours, not the user's
_PROBE_HEALING = "    re"
_MAX_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Server:
    """What the probe found."""

    kind: str
    """``"llama-server"``, ``"vllm"``, or ``"openai"`` for any other."""
    model: str
    """The name of the model to ask for."""
    wire: Wire
    """How the server is spoken to."""
    capabilities: Capabilities


async def probe(
    client: ServerClient, *, manifest: Manifest, tokenizer: Tokenizer, model: str | None
) -> Server:
    """Find out what ``client`` is connected to.

    Raises:
        UnknownModelError: it doesn't serve ``model``. ModelError: its control tokens have other
            ids than ``manifest``. EngineError: it doesn't answer as a completion server does.
    """
    kind, model = await _identify(client, model)
    if kind == "llama-server":
        await _require_same_control_ids(client, kind, model, manifest)
        return await _probe_llama_server(client, model, tokenizer)
    if kind == "vllm":
        await _require_same_control_ids(client, kind, model, manifest)
    return await _probe_openai(client, kind, model, tokenizer)


async def _identify(client: ServerClient, wanted: str | None) -> tuple[str, str]:
    """The server's kind, and the name of the model to ask for."""
    response = await client.get("/v1/models")
    if response.status_code in {401, 403, 503}:
        raise client.refusal(response)
    entries = _json(response).get("data")
    served = [entry for entry in entries or () if isinstance(entry, dict) and entry.get("id")]
    names = [name for entry in served for name in (entry["id"], *(entry.get("aliases") or ()))]
    if not names and wanted is None:
        raise EngineError(
            f"{client.address} doesn't list its models",
            hint="name the model to ask it for, or check the address",
        )
    if names and wanted is not None and wanted not in names:
        raise UnknownModelError(
            f"{client.address} doesn't serve the model {wanted!r}",
            hint=f"it serves {', '.join(dict.fromkeys(names))}",
        )
    owners = {entry.get("owned_by") for entry in served}
    kind = "openai"
    if "vllm" in owners:
        kind = "vllm"
    elif "llamacpp" in owners or "default_generation_settings" in _json(await client.get("/props")):
        kind = "llama-server"
    return kind, wanted or names[0]


async def _require_same_control_ids(
    client: ServerClient, kind: str, model: str, manifest: Manifest
) -> None:
    """Refuse a server whose model would read the prompt's control ids as something else."""
    body: dict[str, Any]
    text = "".join(manifest.control_ids)
    if kind == "vllm":
        body = {"model": model, "prompt": text, "add_special_tokens": False}
    else:
        body = {"content": text, "add_special": False, "parse_special": True}
    response = await client.post("/tokenize", body)
    if response.status_code != httpx.codes.OK:
        _log.info("%s has no /tokenize; its control ids can't be checked", client.address)
        return
    theirs = _json(response).get("tokens")
    ours = list(manifest.control_ids.values())
    if theirs != ours:
        raise ModelError(
            f"the model {model} of {client.address} doesn't have the control ids of the format "
            f"{manifest.format} ({manifest.base}): {theirs} instead of {ours} for {text}",
            hint="configure the base model and format that the server runs",
        )


async def _probe_llama_server(client: ServerClient, model: str, tokenizer: Tokenizer) -> Server:
    wire = LlamaServerWire(model)
    ids = tokenizer.encode(_PROBE_TEXT)
    body = {
        "model": model,
        "prompt": ids,
        "n_predict": len(_PROBE_HEALING),
        "temperature": 0,
        "n_probs": 1,
        "return_tokens": True,
    }
    grammar = {"grammar": healing_grammar(_PROBE_HEALING)}
    response = await client.post(wire.path, body | grammar)
    if response.status_code == httpx.codes.BAD_REQUEST:
        response = await client.post(wire.path, body | {"n_predict": 1})
    if response.status_code != httpx.codes.OK:
        raise client.refusal(response)
    answer = _json(response)
    if not answer.get("tokens") or answer.get("tokens_evaluated") != len(ids):
        raise EngineError(
            f"the llama-server at {client.address} doesn't return token ids",
            hint="update it: /completion must know return_tokens",
        )
    return Server(
        kind="llama-server",
        model=model,
        wire=wire,
        capabilities=Capabilities(
            token_ids=True,
            healing=str(answer.get("content")).startswith(_PROBE_HEALING),
            logprobs=bool(answer.get("completion_probabilities")),
            prefix_reuse="cache_n" in (answer.get("timings") or {}),
            candidates=_MAX_CANDIDATES,
            adapters=False,
        ),
    )


async def _probe_openai(
    client: ServerClient, kind: str, model: str, tokenizer: Tokenizer
) -> Server:
    vllm = kind == "vllm"
    ids = tokenizer.encode(_PROBE_TEXT)
    body: dict[str, Any] = {"model": model, "max_tokens": 1, "temperature": 0}
    extra = {"logprobs": 1, "return_tokens_as_token_ids": True} if vllm else {}
    response = await client.post(OPENAI_PATH, body | extra | {"prompt": ids})
    # A server may take a list for something else, so its count of the prompt's tokens decides.
    usage = _json(response).get("usage") or {}
    ids_in = response.status_code == httpx.codes.OK and usage.get("prompt_tokens") == len(ids)
    if not ids_in:
        response = await client.post(OPENAI_PATH, body | {"prompt": _PROBE_TEXT})
    if response.status_code != httpx.codes.OK:
        raise client.refusal(response)
    answer = _json(response)
    choices = answer.get("choices")
    if not choices:
        raise EngineError(
            f"{client.address} doesn't answer as a completion server does",
            hint="the address must be that of a server with /v1/completions",
        )
    ids_out = vllm and ids_in and _returns_ids(choices[0])
    details = (answer.get("usage") or {}).get("prompt_tokens_details") or {}
    return Server(
        kind=kind,
        model=model,
        wire=OpenAiWire(model, tokenizer, vllm=vllm, ids_in=ids_in, ids_out=ids_out),
        capabilities=Capabilities(
            token_ids=ids_in,
            healing=False,
            logprobs=ids_out,
            # vLLM says so only when started with --enable-prompt-tokens-details.
            prefix_reuse="cached_tokens" in details,
            candidates=_MAX_CANDIDATES,
            adapters=False,
        ),
    )


def _returns_ids(choice: dict[str, Any]) -> bool:
    tokens = (choice.get("logprobs") or {}).get("tokens") or ()
    try:
        return bool([token_id(token) for token in tokens])
    except (TypeError, ValueError):
        return False


def _json(response: httpx.Response) -> dict[str, Any]:
    """The body as an object; empty for anything else, errors included."""
    if response.status_code != httpx.codes.OK:
        return {}
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
