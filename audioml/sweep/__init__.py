"""Sweeps: what conf/sweep/NAME.yaml defines, run by one of the launchers, skipping what is done (docs/sweeps.md).

A run is done when a record of the same signature says so, in the outputs or in the folder of published records that
the sweep itself names (``published: grid``: its page is made from both); a failed one is run again, an interrupted one goes on.
A run that fails or does not fit is told and does not stop the others.
Several processes may work on one sweep: each takes what no other is at.
"""

from audioml.sweep.composer import compose
from audioml.sweep.definition import Block, Definition, define
from audioml.sweep.jobs import Ended, Job, done, run, work

__all__ = ["Block", "Definition", "Ended", "Job", "compose", "define", "done", "run", "work"]
