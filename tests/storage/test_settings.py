from __future__ import annotations

import apsw
import msgspec

from omniroute.domain import RuntimeSettings
from omniroute.storage import settings
from omniroute.storage.store import Store


async def test_defaults_until_something_is_stored(store: Store) -> None:
    assert await store.database.read(settings.read) == RuntimeSettings()


async def test_what_is_stored_comes_back(store: Store) -> None:
    for changed in (RuntimeSettings(heartbeat_s=15.0), RuntimeSettings(heartbeat_s=2.5, max_attempts=2)):
        await store.database.write(lambda c, changed=changed: settings.write(c, changed, 1.0))
        assert await store.database.read(settings.read) == changed


async def test_a_setting_of_another_version_is_left_alone(store: Store) -> None:
    def work(connection: apsw.Connection) -> tuple[RuntimeSettings, object]:
        connection.execute("INSERT INTO settings VALUES ('from_the_future', '{\"a\":1}', 0)")
        settings.write(connection, RuntimeSettings(max_attempts=3), 1.0)
        kept = connection.execute("SELECT value FROM settings WHERE name = 'from_the_future'").get
        return settings.read(connection), msgspec.json.decode(str(kept))

    assert await store.database.write(work) == (RuntimeSettings(max_attempts=3), {"a": 1})


async def test_the_time_is_that_of_the_last_change(store: Store) -> None:
    def work(connection: apsw.Connection) -> dict[str, float]:
        settings.write(connection, RuntimeSettings(max_attempts=3), 1.0)
        settings.write(connection, RuntimeSettings(max_attempts=3, heartbeat_s=1.0), 2.0)
        rows = connection.execute("SELECT name, updated_epoch_s FROM settings")
        return {str(name): float(str(time)) for name, time in rows}

    assert await store.database.write(work) == {"max_attempts": 1.0, "heartbeat_s": 2.0}
