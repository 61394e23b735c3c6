"""Anthropic Messages, as an upstream: ``messages`` answers, ``rules`` refuses what the service refuses."""

from omniroute.mock.dialects.anthropic.messages import DIALECT

__all__ = ["DIALECT"]
