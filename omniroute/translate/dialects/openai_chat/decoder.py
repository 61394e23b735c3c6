"""Chunks of an upstream, read."""

from omniroute.domain import Quirks


class ChatDecoder:
    """Not written yet."""

    def __init__(self, quirks: Quirks) -> None:
        raise NotImplementedError
