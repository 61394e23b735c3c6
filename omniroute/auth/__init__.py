"""Sans-IO: API keys, what clients present. Random bytes and the pepper are handed in; nothing is kept or logged."""

from omniroute.auth.globs import model_allowed
from omniroute.auth.keys import digest_of, new_key, prefix_of, presented_key, well_formed

__all__ = ["digest_of", "model_allowed", "new_key", "prefix_of", "presented_key", "well_formed"]
