"""The path of a request: authenticate, admit, plan; then per target gate, encode, call, relay; then record.

Knows ports and cores only. Values go down the list of stages and never up; what a stage holds is held by a ``with``
block. Instants (``..._at``) are on Trio's clock, ``..._epoch_s`` is wall time, ``..._ns`` is CLOCK_MONOTONIC for shared
counters.
"""

from omniroute.pipeline.configuration import SharedConfiguration
from omniroute.pipeline.questions import Questions
from omniroute.pipeline.run import Pipeline
from omniroute.pipeline.values import Door, PipelineOptions, doors

__all__ = ["Door", "Pipeline", "PipelineOptions", "Questions", "SharedConfiguration", "doors"]
