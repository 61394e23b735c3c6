"""The database of a gateway: control process only; alone in importing apsw. Money and times as in the migrations."""
