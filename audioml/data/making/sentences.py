"""The text of the embedded speech: sentences from a small grammar written for audioml.  Plain lower-case English."""

from __future__ import annotations

import re

from audioml.data.making.writing import draw

WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go",
)  # fmt: skip

GRAMMAR = {
    "sentence": (
        "please <move> the <colour> <thing> <place>|the <adjective> <animal> <went> <place>|<person> <saw> <many> <animals>|"
        "turn <switch> the <device> in the <room>|set the <device> to <many> <unit>|when does the <vehicle> leave on <day>|"
        "<person> <had> a <adjective> <thing> and a <colour> <thing>|it will be <weather> in the <part> on <day>|"
        "i would like <many> <foods> and a cup of <drink>|the <vehicle> to the <town> leaves at <number> o'clock|"
        "can you <move> the <thing> before <day>|we <heard> the <instrument> <place>|play some <adjective> music in the <room>|"
        "my <relative> is <many> years older than <person>|call my <relative> at <number> <number> <number> <number>|"
        "do not <move> the <thing>|there are <many> <foods> on the table|<person> and <person> <went> <place>|"
        "when the <weather> weather is over the <animals> come out|remind me to <move> the <thing> on <day>|"
        "the <instrument> was too <adjective> for the <room>|who left the <colour> <thing> <place>|good <part> <person>"
    ),
    "move": "move|carry|open|clean|bring|find|fix|wash|sell|paint|hide",
    "colour": "red|blue|green|yellow|black|white|brown|grey|purple|orange",
    "thing": "box|chair|lamp|book|bag|bottle|window|coat|clock|letter|key|basket|picture|hammer|wheel",
    "place": "under the bridge|near the river|behind the house|in the garden|on the roof|at the station|by the old mill|"
    "across the field|over the hill|in front of the shop|next to the church|down the road",
    "adjective": "small|quiet|happy|tired|young|heavy|strange|quick|gentle|loud|soft|clever|cheap",
    "animal": "dog|cat|horse|fox|bird|mouse|goat|rabbit|sheep|duck",
    "animals": "dogs|cats|horses|foxes|birds|mice|goats|rabbits|sheep|ducks",
    "went": "ran|walked|slept|jumped|waited|sang|stopped|danced|sat down|got lost",
    "person": "anna|peter|maria|john|sarah|david|julia|thomas|emma|martin|lucy|george",
    "saw": "saw|found|counted|followed|fed|painted|chased|met",
    "had": "bought|lost|wanted|borrowed|dropped|needed",
    "heard": "heard|enjoyed|recorded|missed",
    "number": "zero|one|two|three|four|five|six|seven|eight|nine",
    "many": "two|three|four|five|six|seven|eight|nine|ten|twelve|twenty",
    "switch": "on|off|up|down",
    "device": "light|radio|heater|fan|alarm|oven|camera|screen",
    "unit": "degrees|minutes|percent|hours",
    "room": "kitchen|bedroom|bathroom|hall|office|cellar",
    "vehicle": "train|bus|boat|tram|plane",
    "town": "city|coast|north|south|village|mountains|airport",
    "day": "monday|tuesday|wednesday|thursday|friday|saturday|sunday",
    "weather": "cold|warm|windy|rainy|cloudy|stormy",
    "part": "morning|evening|afternoon",
    "foods": "apples|pears|eggs|onions|potatoes|cakes|oranges",
    "drink": "tea|coffee|milk|water|juice",
    "instrument": "violin|trumpet|piano|drum|flute|guitar|organ",
    "relative": "mother|father|brother|sister|uncle|aunt",
}
_SLOT = re.compile(r"<(\w+)>")
_ARTICLE = re.compile(r"\ba(?= [aeiou])")
_SPLITS = 10  # of every ten sentences, by a hash: eight for training, one each for valid and test
_SHARE = {"train": range(8), "valid": range(8, 9), "test": range(9, 10)}


def sentences(split: str, count: int) -> list[str]:
    """`count` different sentences of `split`; no sentence is in two splits, however many are asked for."""
    from zlib import crc32

    rng = draw("sentences", split)
    options = {name: text.split("|") for name, text in GRAMMAR.items()}

    def pick(name: str) -> str:
        return options[name][int(rng.integers(len(options[name])))]

    found: dict[str, None] = {}
    while len(found) < count:
        text = _SLOT.sub(lambda slot: pick(slot[1]), pick("sentence"))
        text = _ARTICLE.sub("an", text)
        if crc32(text.encode()) % _SPLITS in _SHARE[split]:
            found.setdefault(text)
    return list(found)


def alphabet() -> str:
    """Every character that a sentence can hold, sorted."""
    return "".join(sorted(set(_SLOT.sub("", "".join(GRAMMAR.values()))) - {"|"}))
