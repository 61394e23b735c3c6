"""Limits in numbers: sans-IO, nanoseconds of CLOCK_MONOTONIC. The counting itself is in ``_speedups.Shared``."""

from omniroute.limits.rate import per_minute, seconds_until

__all__ = ["per_minute", "seconds_until"]
