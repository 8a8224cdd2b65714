"""The talk's table, measured: its ten rows and eight columns from records, and where opinion and measurement agree.

opinion.py    what the talk says, word for word (architectures.csv), and the grades in its words (grades.yaml)
evidence.py   what was measured: per task the comparable rows, over their seeds
columns.py    the eight columns as measured (numbers.py: values over seeds; learning.py: data needs)
agree.py      agree, disagree, not comparable; rank correlations
pages.py, story.py, cli.py    the files that ``scripts/table.py --talk`` writes
"""

from __future__ import annotations

from audioml.talk.cli import main, write_talk

__all__ = ["main", "write_talk"]
