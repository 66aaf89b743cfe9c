"""The process that runs OpenVINO. Not imported: run as ``python -m`` by ``openvino_client.py``.

Inference keeps Python's interpreter lock for tens of milliseconds, which would stop a server's
event loop; and a crash in native code ends its process. So the model has a process of its own. It
speaks JSON, a line a message, on standard input and output:

    in   {"op": "vocabulary", "ids"}     all ids that text is made of, in the order of their bytes:
                                         native 32-bit integers in base64
         {"op": "generate", "id", "ids", "max_tokens", "stop_ids", "healing", "deadline_ms",
          "temperature", "top_p", "seed"}             healing: as :mod:`.healing` says
         {"op": "cancel", "id"}
    out  {"event": "ready"}
         {"event": "prefill", "id"}                                 a step without a token: alive
         {"event": "delta", "id", "ids", "logprobs", "finish", "reused"}
                                          finish: null or a FinishReason; reused: prompt tokens
         {"event": "error", "id", "message"}                        the request failed

It ends when its standard input does, so it can't outlive its parent.
"""
