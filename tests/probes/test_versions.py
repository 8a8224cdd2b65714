"""Definitions have versions, and the budget of a run is shared out."""

from __future__ import annotations

import hashlib

import pytest

from audioml import metrics, probes
from audioml.probes import available, measures, probe

# Change the definition of a probe or a metric, or take a name away: count VERSION up (audioml/probes/__init__.py, audioml/metrics/__init__.py);
# tables refuse to mix records of different versions.  A new name alone leaves what earlier records say as it is: the version stays.  In
# both cases put the new digest here.
NAMES = {"probes 2": "73ca4ef56e", "metrics 1": "1311cb3786"}


def test_a_changed_list_is_noticed():
    names = {"probes": sorted({key for name in available() for key in probe(name).VALUES}), "metrics": sorted(metrics.available())}
    found = {f"{kind} {v.VERSION}": digest(names[kind]) for kind, v in (("probes", probes), ("metrics", metrics))}
    assert found == NAMES, "the list of values changed: count VERSION up unless names were only added, and write the new digest here"
    assert measures() == f"metrics {metrics.VERSION}, probes {probes.VERSION}"


def digest(names):
    return hashlib.sha256(" ".join(names).encode()).hexdigest()[:10]


def test_the_budget_is_shared_out():
    assert sum(probe(name).SHARE for name in available()) == pytest.approx(1)
