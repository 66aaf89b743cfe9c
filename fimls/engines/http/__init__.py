"""The http engine: a team's or a cluster's completion server.

``engine`` runs prompts, ``probe`` finds out what a server is and can do, ``wire`` holds the request
and event formats of each kind of server, ``client`` the connection: retries, key, error messages.
"""

from fimls.engines.http.client import API_KEY_VARIABLE, RetryPolicy
from fimls.engines.http.engine import HttpEngine, load

__all__ = ["API_KEY_VARIABLE", "HttpEngine", "RetryPolicy", "load"]
