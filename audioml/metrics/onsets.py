"""Onsets by mir_eval: F-measure within 50 ms, each target matched once, for every kind of event that is no beat."""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "times"
PACKAGES = ("mir_eval",)
WINDOW = 0.05  # s
PULSE = ("beat", "downbeat")  # judged by `beats`


def _kinds(items: Items) -> dict[str, int]:
    names = getattr(items.world, "names", None) or ()
    return {f"quality/{name.lower().replace(' ', '_')}_f": k for k, name in enumerate(names) if name not in PULSE}


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/KIND_f of every kind."""
    return {key: Quantity("", "high") for key in _kinds(items)}


def score(items: Items) -> dict[str, Scored]:
    """One row per item; items without such an event in the target are left out and counted."""
    import warnings

    from mir_eval import onset

    from audioml.metrics._events import per_item

    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for key, kind in _kinds(items).items():
            what = key.removeprefix("quality/").removesuffix("_f")
            (found[key],) = per_item(items, {kind}, what, lambda t, o: [onset.f_measure(t, o, window=WINDOW)[0]])
    return found
