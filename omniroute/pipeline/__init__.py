"""The path of a request: stages that know only ports and cores."""
