"""Engines run prompts: one protocol in ``base``, one file for each implementation."""
