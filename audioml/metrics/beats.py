"""Beats and downbeats by mir_eval: F-measure within 70 ms, and continuity (CMLt, AMLt; Davies et al. 2009).

The first five seconds do not count where at least four beats remain.  A downbeat is a beat too, whether the data lists it
twice or once.  CMLt is the share of beats in correctly tracked stretches at the annotated level; AMLt allows double and half
tempo and the off-beat.  Clips whose target has no such event are left out and counted.
"""

from __future__ import annotations

from audioml.metrics._base import Items, Quantity, Scored

JUDGES = "times"
PACKAGES = ("mir_eval",)
BEATS = ("beat", "downbeat")


def quantities(items: Items) -> dict[str, Quantity]:
    """quality/beat_f, beat_cmlt, beat_amlt and downbeat_f, for the kinds that the data names."""
    names = getattr(items.world, "names", None) or ()
    found = {}
    if set(BEATS) & set(names):
        found = {f"quality/beat_{key}": Quantity("", "high") for key in ("f", "cmlt", "amlt")}
    if BEATS[1] in names:
        found["quality/downbeat_f"] = Quantity("", "high")
    return found


def score(items: Items) -> dict[str, Scored]:
    """One row per item and number."""
    import warnings

    from mir_eval import beat

    from audioml.metrics._events import per_item, trimmed

    def pulse(target, output):
        target, output = trimmed(target, output)
        continuity = beat.continuity(target, output) if len(output) > 1 and len(target) > 1 else (0.0, 0.0, 0.0, 0.0)
        return [beat.f_measure(target, output), continuity[1], continuity[3]]

    def bars(target, output):
        return [beat.f_measure(*trimmed(target, output))]

    names = getattr(items.world, "names", None) or ()
    found: dict[str, Scored] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty output is a score of 0, not news
        if set(BEATS) & set(names):
            beats = {names.index(name) for name in BEATS if name in names}
            found |= zip((f"quality/beat_{k}" for k in ("f", "cmlt", "amlt")), per_item(items, beats, "beat", pulse), strict=True)
        if BEATS[1] in names:
            (found["quality/downbeat_f"],) = per_item(items, {names.index(BEATS[1])}, "downbeat", bars)
    return found
