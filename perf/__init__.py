"""Benchmarks. ``python -m perf.bench`` measures the gateway against nginx; ``perf/README.md`` says how."""
