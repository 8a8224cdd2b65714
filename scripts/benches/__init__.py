"""Benchmarks by file: each has ``run() -> list[Row]``."""
