"""The process that runs OpenVINO for the engine in ``openvino.py``; its entry is ``service``.

Inference holds Python's interpreter lock for tens of milliseconds, which would stop a server's
event loop, and a crash in native code ends its process. So the model has a process of its own. The
loop is ours because it decodes 1.97 times as fast as OpenVINO GenAI's continuous batching
(``benchmarks/LOG.md``).

Its messages (:mod:`fimls.child`):

    in   {"op": "vocabulary", "ids"}     all ids that text is made of, in the order of their bytes:
                                         native 32-bit integers in base64
         {"op": "generate", "id", "ids", "max_tokens", "stop_ids", "healing", "deadline_ms",
          "temperature", "top_p", "seed"}             healing: see Healing
         {"op": "cancel", "id"}
    out  {"event": "ready"}
         {"event": "prefill", "id"}                                 a step without a token: alive
         {"event": "delta", "id", "ids", "logprobs", "finish", "reused"}
                                          finish: null or a FinishReason; reused: prompt tokens
         {"event": "error", "id", "message"}                        the request failed
"""
