"""OpenAI Responses, as an upstream: ``asked`` reads, ``items`` are what it says, ``responses`` writes it."""

from omniroute.mock.dialects.openai_responses.responses import DIALECT

__all__ = ["DIALECT"]
