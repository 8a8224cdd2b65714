"""Records -> one table per task: terminal, Markdown, CSV, JSON and one self-contained page.  Columns are data (columns.py)."""

from __future__ import annotations

from audioml.table.build import Table, build_table
from audioml.table.cli import main, write_table

__all__ = ["Table", "build_table", "main", "write_table"]
