"""One folder per dialect, found by discovery: each defines ``DIALECT`` and imports none of its siblings."""
