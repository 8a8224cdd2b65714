"""Definitions have versions, and the budget of a run is shared out."""

from __future__ import annotations

import hashlib

import pytest

from audioml import metrics, probes
from audioml.probes import available, measures, probe

# Change the definitions of a probe or a metric: count VERSION up (audioml/probes/__init__.py, audioml/metrics/__init__.py) and put the
# new names here; tables refuse to mix records of different versions.
NAMES = {"probes 2": "73ca4ef56e", "metrics 1": "36732c7c8c"}


def test_new_names_are_a_new_version():
    names = {"probes": sorted({key for name in available() for key in probe(name).VALUES}), "metrics": sorted(metrics.available())}
    found = {f"{kind} {v.VERSION}": digest(names[kind]) for kind, v in (("probes", probes), ("metrics", metrics))}
    assert found == NAMES, "the list of values changed: count VERSION up, and write the new digest here"
    assert measures() == f"metrics {metrics.VERSION}, probes {probes.VERSION}"


def digest(names):
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:10]


def test_the_budget_is_shared_out():
    assert sum(probe(name).SHARE for name in available()) == pytest.approx(1)
