"""Who starts, watches and stops whom; and where a gateway keeps its files."""
