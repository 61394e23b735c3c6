"""What is told of the work: the journal, metrics, logs.

Import the module you need: a worker must not load what control does.
"""
