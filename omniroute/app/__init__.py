"""The composition roots: the only place that builds.

A worker's world (``worker``) and control's (``control``) share nothing but values, and neither imports the other's.
"""
