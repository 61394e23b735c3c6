"""Table ``settings``: what can be changed while the gateway runs. Within a transaction."""

from __future__ import annotations

import apsw
import msgspec

from omniroute.domain import RuntimeSettings


def read(connection: apsw.Connection) -> RuntimeSettings:
    """The settings in force: what is stored over the defaults. A name this version does not know is left alone."""
    rows = connection.execute("SELECT name, value FROM settings")
    stored = {str(name): msgspec.json.decode(str(value)) for name, value in rows}
    return msgspec.convert(stored, RuntimeSettings)


def write(connection: apsw.Connection, settings: RuntimeSettings, now_epoch_s: float) -> None:
    """Store every setting."""
    connection.executemany(
        """
        INSERT INTO settings (name, value, updated_epoch_s) VALUES (?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_epoch_s = excluded.updated_epoch_s
          WHERE value <> excluded.value
        """,
        [
            (name, msgspec.json.encode(getattr(settings, name)).decode(), now_epoch_s)
            for name in RuntimeSettings.__struct_fields__
        ],
    )
