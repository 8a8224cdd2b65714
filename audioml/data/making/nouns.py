"""What the kinds of sound are called in captions."""

from __future__ import annotations

# kind -> (article, noun); no article: a plural or a substance
NOUNS = {
    "alarm": ("an", "alarm"), "siren": ("a", "siren"), "birds": ("", "birds"), "steps": ("", "footsteps"), "knocks": ("", "knocks"),
    "claps": ("", "claps"), "bell": ("a", "bell"), "clicks": ("a", "ratchet"), "horn": ("a", "horn"), "zap": ("a", "zap"),
    "drops": ("", "water drops"), "whoosh": ("a", "whoosh"), "phone": ("a", "telephone"), "glass": ("", "breaking glass"),
    "white": ("", "white noise"), "pink": ("", "pink noise"), "brown": ("", "brown noise"), "hum": ("a", "mains hum"),
    "rain": ("", "rain"), "wind": ("", "wind"), "engine": ("an", "engine"), "fan": ("a", "fan"), "crackle": ("", "crackling"),
    "waves": ("", "waves"), "helicopter": ("a", "helicopter"), "keyboard": ("", "typing"), "babble": ("a", "crowd talking"),
}  # fmt: skip


def noun(kind: str, *adjectives: str) -> str:
    """A kind in words: ``noun("bell", "short") -> "a short bell"``."""
    article, name = NOUNS[kind]
    return " ".join(word for word in (("a" if article and adjectives else article), *adjectives, name) if word)
