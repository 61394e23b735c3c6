"""``omniroute mock``: the command lives with the mock, whose options it has."""

from omniroute.mock.command import mock_command as COMMAND  # noqa: N812 - the name discovery looks for

__all__ = ["COMMAND"]
