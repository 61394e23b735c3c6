"""Chunks for a client, written."""

from omniroute.translate.dialect import AnswerContext


class ChatEncoder:
    """Not written yet."""

    def __init__(self, context: AnswerContext) -> None:
        raise NotImplementedError
