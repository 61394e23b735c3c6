"""Internal tags never reach a client, and ``<think>`` text becomes reasoning where a model's quirk says so."""

from __future__ import annotations
