"""Who starts, watches and stops whom: supervisor, control, workers, the demo provider.

What they say to each other is in ``boot``.
"""
