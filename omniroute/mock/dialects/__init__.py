"""The dialects the mock speaks, one file each. To add one: write the file, name it here, add its tests."""

from typing import Final

from omniroute.mock.dialect import Dialect
from omniroute.mock.dialects.openai_chat import OpenAIChat

DIALECTS: Final[tuple[Dialect, ...]] = (OpenAIChat(),)

__all__ = ["DIALECTS"]
