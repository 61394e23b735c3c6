"""Management over HTTP, in the control process: keys, providers, settings, the ledger, health and metrics.

Knows ``storage.Administration`` and the ledger; never imported by a worker. Starlette is imported by ``app``, so
control imports that module only once its first snapshot is published.
"""
