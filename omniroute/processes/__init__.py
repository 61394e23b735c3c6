"""Who starts, watches and stops whom: supervisor, control, workers, the demo provider. Values between them are in ``boot``."""
