"""How often, how far, how fast, how big and where: what a clause says beside its action.

Rules are read one after the other; what a rule reads is cut out of the text, so that "takes three
steps" leaves "takes steps". Factors are of tempo and of reach of the limbs, 1 = as usual.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

from .lexicon import lexicon

_COUNTED = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen twenty"""
NUMBERS: dict[str, float] = {word: i for i, word in enumerate(_COUNTED.split())} | {
    "thirty": 30,
    "a dozen": 12,
    "half a dozen": 6,
    "a couple of": 2,
    "a couple": 2,
    "a few": 3,
    "several": 3,
    "some": 3,
    "a pair of": 2,
    "a single": 1,
    "half a": 0.5,
    "a": 1,
    "an": 1,
    "another": 1,
}
_EXACT = r"(?:exactly |about |around |only |just |another )?"
_WORDED = "|".join(sorted((w for w in NUMBERS if w not in ("a", "an", "another")), key=len)[::-1])
NUMBER = rf"(?P<n>\d+(?:[.,]\d+)?|{_WORDED})"
SEVERAL = frozenset({"several", "a few", "some"})
METRES = {"km": 1000.0, "cm": 0.01, "f": 0.3048, "y": 0.9144, "in": 0.0254, "mi": 1609.3, "m": 1.0}

SPEEDS: tuple[tuple[str, float], ...] = (
    (r"in (?:extreme |super )?slow[- ]?mo(?:tion)?|in slow-motion", 0.5),
    (r"at (?:a )?half (?:the |its |normal )?(?:speed|pace)|half as fast", 0.5),
    (r"(?:at )?(?:twice|double|2x) (?:as fast|the speed|speed|the pace)", 2.0),
    (
        r"(?:at|in) (?:a |an )?(?:normal|regular|usual|ordinary|medium|even|steady) (?:speed|pace"
        r"|tempo)",
        1.0,
    ),
    (r"at a snail'?s pace", 0.6),
    (r"(?:unhurriedly|unhurried|in no (?:hurry|rush))", 0.8),
    (r"(?:a (?:little|bit|touch)|slightly|somewhat|rather) (?:slower|more slowly)", 0.85),
    (r"(?:a (?:little|bit|touch)|slightly|somewhat|rather) (?:faster|quicker|more quickly)", 1.15),
    (r"(?:much|far|a lot|even) (?:slower|more slowly)", 0.65),
    (r"(?:much|far|a lot|even) (?:faster|quicker|more quickly)", 1.5),
    (r"(?:slower|more slowly)", 0.8),
    (r"(?:faster|quicker|more quickly)", 1.25),
    (
        r"(?:very|really|extremely|super|incredibly|so|terribly|painfully"
        r"|quite) slow(?:ly)?(?: (?:speed|pace|tempo))?",
        0.6,
    ),
    (
        r"(?:very|really|extremely|super|incredibly|so|too|terribly) (?:fast|quick(?:ly)?"
        r"|rapid(?:ly)?|swift(?:ly)?|brisk(?:ly)?)",
        1.5,
    ),
    (r"as (?:fast|quick(?:ly)?) as (?:you can|possible|he can|she can|they can)", 1.45),
    (
        r"(?:at|with) (?:a )?(?:full|top|maximum|high|great) speed|at full tilt|flat out"
        r"|full speed",
        1.45,
    ),
    (r"(?:at|in|with) an? (?:slow|leisurely|gentle|relaxed) (?:speed|pace|tempo|rhythm)", 0.75),
    (r"(?:at|in|with) an? (?:fast|quick|brisk|rapid|high|swift) (?:speed|pace|tempo|rhythm)", 1.35),
    (r"in (?:a|great) (?:hurry|rush|haste)|with haste", 1.35),
    (r"slow(?:ly)?", 0.7),
    (r"(?:leisurely|lazily|gently|sluggishly|cautiously|carefully|languidly|gradually)", 0.8),
    (
        r"(?:fast|quick|quickly|rapid|rapidly|swift|swiftly|hurriedly|hastily|speedily|speedy"
        r"|hasty|hurried)",
        1.35,
    ),
    (r"(?:brisk|briskly|suddenly|abruptly|energetically|sharply)", 1.25),
)
_KEEPS = r"(?!\s+dance\b)"
SPEED_RULES = [(re.compile(rf"\b(?:{p})\b{_KEEPS}"), f) for p, f in SPEEDS]
UNHURRIED = (
    (re.compile(r"\bno (?:need to )?(?:hurry|rush)(?: at all)?\b,?"), "unhurriedly"),
    (
        re.compile(
            r"\b(?:don't|do not|doesn't|does not|dont) (\w+) (?:so|too|that) (?:fast|quickly)\b"
        ),
        r"\1 unhurriedly",
    ),
    (re.compile(r"\bnot (?:so|too|very|that) (?:fast|quickly?)\b,?"), "unhurriedly"),
    (re.compile(r"\bnot (?:so|too|very|that) slow(?:ly)?\b,?"), "briskly"),
    (
        re.compile(r"\btak(?:e|es|ing) (?:your|his|her|their|its|the) time(?: to)?\b,?"),
        "unhurriedly",
    ),
    (re.compile(r"\bwithout (?:hurry|haste|rushing|hurrying)\b"), "unhurriedly"),
    (
        re.compile(
            r"\bwithout (?:going|getting|moving|walking|running|travell?ing) (?:anywhere|forward"
            r"|ahead|from the spot)\b"
        ),
        "on the spot",
    ),
    (
        re.compile(
            r"\b(?:stay|stays|remain|remains|staying) (?:where (?:you|he|she|they) (?:are|is)|put"
            r"|in place) and (.+)"
        ),
        r"\1 on the spot",
    ),
    (
        re.compile(
            r",?\s*\b(?:and |but )?(?:not|instead of|rather than)\s+(?:with |to |on )?(?:the "
            r"|your |his |her )?(?:left|right)(?: (?:hand|arm|leg|foot|one|side))?\b"
        ),
        "",
    ),
)
"""Phrases that would read as a denial, put another way before a prompt is cut."""

BIG = r"big|large|huge|wide|broad|giant|enormous|exaggerated|sweeping|massive|long|expansive|grand"
SMALL = r"small|tiny|little|slight|subtle|short|minimal|modest|narrow"
_STEPS = r"(?:steps?|strides?)\b"
_THING = r"(?:movements?|motions?|gestures?|arm movements|swings?)\b"
SIZES: tuple[tuple[str, float], ...] = (
    (rf"\b(?:very |really |extremely )(?:{BIG}) (?={_STEPS})", 1.45),
    (rf"\b(?:(?:very |really |extremely )(?:{SMALL})|tiny) (?={_STEPS})", 0.6),
    (rf"\b(?:{BIG}) (?={_STEPS})", 1.3),
    (rf"\b(?:{SMALL}) (?={_STEPS})", 0.7),
    (rf"\b(?:with )?(?:{BIG}) {_THING}", 1.3),
    (rf"\b(?:with )?(?:{SMALL}) {_THING}", 0.7),
    (
        r"\b(?:wildly|vigorously|vigorous|energetic|frantically|exuberantly|expansively|broadly"
        r"|enthusiastically|dramatically)\b",
        1.3,
    ),
    (r"\b(?:slightly|barely|subtly|discreetly|a little|a little bit|a bit|hardly)\b", 0.7),
)
SIZE_RULES = [(re.compile(p), f) for p, f in SIZES]
AMOUNT_WORDS = frozenset(
    re.findall(
        r"[a-z]{4,}",
        " ".join(
            [*NUMBERS, BIG, SMALL, *(p for p, _ in (*SPEEDS, *SIZES)), "thrice twice once times"]
        ),
    )
)
"""Words that the rules know, for the speller."""
SPOT = re.compile(
    r"\b(?:on|in) (?:the|one|the same) (?:spot|place)\b|\bin place\b|\bon the spot\b"
    r"|\bon a treadmill\b"
)
CIRCLE = re.compile(
    r"\b(?:in|around in|round in) (?:a )?(?:\w+ )?circles?\b|\b(?:full|wide|big|small"
    r"|whole) circle\b|\ba circle\b|\bin a loop\b|\blaps?\b"
)
U_TURN = re.compile(
    r"\bu-?turn\b|\babout[- ](?:face|turn)\b|\b(?:a 180|180 degrees|one[- ]eighty)\b|\bhalf turn\b"
)
FULL_TURN = re.compile(r"\b(?:a 360|360 degrees|full turn)\b")
QUARTER = re.compile(r"\bquarter turn\b|\b90 degrees\b")
TO_LEFT = re.compile(
    r"\b(?:turn\w*|veer\w*|bear\w*|swerv\w*|curv\w*|bend|go\w*|head\w*|tak\w+|mak\w+|hang\w*"
    r"|walk\w*|run\w*)\b.*\bleft\b(?! (?:hand|arm|foot|leg|fist|knee))"
)
TO_RIGHT = re.compile(TO_LEFT.pattern.replace(r"\bleft\b", r"\bright\b"))


@dataclass(frozen=True)
class Amounts:
    """What a clause says beside its action; None or 1.0 where it says nothing.

    Attributes:
        count: how many times. repeated: again and again, without a number.
        steps: how many steps. seconds: how long. metres: how far.
        speed, size: factors of tempo and of the limbs' reach.
        spot: it stays where it is. turn: change of heading in radians, left positive.
    """

    count: int | None = None
    repeated: bool = False
    steps: int | None = None
    seconds: float | None = None
    metres: float | None = None
    speed: float = 1.0
    size: float = 1.0
    spot: bool = False
    turn: float | None = None


def reworded(prompt: str) -> str:
    """The prompt with :data:`UNHURRIED` phrases put another way; as typed where there are none."""
    for pattern, better in UNHURRIED:
        low = prompt.lower()
        if pattern.search(low):
            prompt = pattern.sub(better, low).strip(" ,")
    return prompt


def amounts_of(text: str) -> tuple[str, Amounts]:
    """What a lower-case clause says beside its action, and the clause without it.

    >>> rest, found = amounts_of("walks four steps very slowly")
    >>> rest, found.steps, found.speed
    ('walks steps', 4, 0.6)
    """
    text, found = _turns(text)
    for rule in (_duration, _distance, _steps, _times, _things):
        text, found = rule(text, found)
    text, speed = _factor(text, SPEED_RULES)
    text, size = _factor(text, SIZE_RULES)
    text, size = _adjective(text, size)
    found = replace(found, speed=speed, size=size, spot=bool(SPOT.search(text)))
    return re.sub(r"\s+", " ", text).strip(" ,"), found


def without_pace(text: str) -> str:
    """A sentence without the words that say how fast.

    >>> without_pace("a man walks very slowly")
    'a man walks'
    """
    rest, factor = _factor(text.lower(), SPEED_RULES)
    if factor == 1.0:
        return text
    return re.sub(r"\s+", " ", re.sub(r"\b(?:and|,)\s*$", "", rest.strip())).strip(" ,")


def number(word: str) -> float:
    """The value of a matched :data:`NUMBER`."""
    return float(NUMBERS[word]) if word in NUMBERS else float(word.replace(",", "."))


def _turns(text: str) -> tuple[str, Amounts]:
    turn = None
    if CIRCLE.search(text) or FULL_TURN.search(text):
        turn = 2 * math.pi
    elif U_TURN.search(text):
        turn = math.pi
    elif QUARTER.search(text) or TO_LEFT.search(text) or TO_RIGHT.search(text):
        turn = math.pi / 2
    if turn is not None and re.search(r"\bright\b|\bclockwise\b", text):
        turn = -turn
    return text, Amounts(turn=turn)


def _duration(text: str, found: Amounts) -> tuple[str, Amounts]:
    rule = re.compile(
        rf"\b(?:for |during |in )?{_EXACT}(?:{NUMBER} (?P<u>seconds?|secs?|minutes?|mins?)"
        r"|(?P<d>\d+(?:\.\d+)?) ?(?P<v>s|secs?|min))\b"
    )
    match = rule.search(text)
    if match is None or number(match["n"] or match["d"]) <= 0:
        return text, found
    scale = 60.0 if (match["u"] or match["v"]).startswith("m") else 1.0
    return _cut(text, match), replace(found, seconds=number(match["n"] or match["d"]) * scale)


def _distance(text: str, found: Amounts) -> tuple[str, Amounts]:
    units = (
        r"(?P<u>kilomet(?:re|er)s?|km|centimet(?:re|er)s?|cm|met(?:re|er)s?|m|feet|ft|yards?"
        r"|yd|inch(?:es)?|miles?)"
    )
    rule = re.compile(
        rf"(?<!with )(?<!on )(?<!both )\b(?:for )?{_EXACT}(?:{NUMBER}|(?P<a>an?)) ?{units}\b"
    )
    match = rule.search(text)
    if match is None or (match["a"] and match["u"] in ("m", "feet")):
        return text, found
    unit = match["u"]
    key = {"kilo": "km", "km": "km", "cent": "cm", "cm": "cm", "inch": "in", "mile": "mi"}.get(
        unit[:4], {"f": "f", "y": "y"}.get(unit[0], "m")
    )
    value = 1.0 if match["a"] else number(match["n"])
    return _cut(text, match), replace(found, metres=value * METRES[key])


def _steps(text: str, found: Amounts) -> tuple[str, Amounts]:
    rule = re.compile(
        rf"\b{_EXACT}(?:{NUMBER}|(?P<a>an?|another)) (?P<adj>(?:[a-z]+ ){{0,2}}?)(?P<u>steps?"
        rf"|paces|strides)\b"
        r"(?! (?:up|down)? ?(?:the |a )?(?:stairs?|ladder))"
    )
    match = rule.search(text)
    if match is None:
        return text, found
    value = 1 if match["a"] else round(number(match["n"]))
    kept = f"{match['adj']}steps"
    return text[: match.start()] + kept + text[match.end() :], replace(found, steps=value)


def _times(text: str, found: Amounts) -> tuple[str, Amounts]:
    again = re.search(
        r"\b(?:again and again|over and over(?: again)?|repeatedly|(?:many|multiple) times"
        r"|continuously|nonstop|non-stop)\b",
        text,
    )
    if again is not None:
        return _cut(text, again), replace(found, repeated=True)
    match = re.search(
        rf"\b{_EXACT}{NUMBER}(?: more)? times?\b|\b(?P<x>\d+) ?x(?=\s|$)|(?:^|\s)x ?(?P<y>\d+)\b",
        text,
    )
    if match is not None:
        word = match["n"] or match["x"] or match["y"]
        return _cut(text, match), _counted(found, round(number(word)))
    match = re.search(r"\b(?P<w>once|twice|thrice)\b(?! (?:as|the|more))", text)
    if match is not None:
        value = {"once": 1, "twice": 2, "thrice": 3}[match["w"]]
        return _cut(text, match), _counted(found, value)
    match = re.search(r"\b(?P<w>double|triple|single) (?=[a-z-]+)", text)
    if match is not None and _noun(text[match.end() :].split()[0]):
        value = {"single": 1, "double": 2, "triple": 3}[match["w"]]
        return _cut(text, match), _counted(found, value)
    return text, found


def _counted(found: Amounts, value: int) -> Amounts:
    return replace(found, count=value) if value > 0 else found


def _things(text: str, found: Amounts) -> tuple[str, Amounts]:
    """ "five jumps", "ten jumping jacks", "twenty push ups"."""
    rule = re.compile(rf"\b{_EXACT}{NUMBER} (?P<words>(?:[a-z-]+ ?){{1,3}})")
    for match in rule.finditer(text):
        if match["n"] == "one" or found.count is not None:
            continue
        words = match["words"].split()
        named = [i for i, word in enumerate(words) if _noun(word) or word == "ups"]
        if not named or words[0] in ("hands", "feet", "arms", "legs"):
            continue
        value = round(number(match["n"]))
        found = _counted(found, value)
        return text[: match.start()] + text[match.start("words") :], found
    return text, found


def _noun(word: str) -> bool:
    nouns = lexicon().nouns
    return word in nouns or (word.endswith("s") and word[:-1] in nouns)


def _factor(text: str, rules: list[tuple[re.Pattern[str], float]]) -> tuple[str, float]:
    for pattern, factor in rules:
        match = pattern.search(text)
        if match is not None:
            return _cut(text, match), factor
    return text, 1.0


def _adjective(text: str, size: float) -> tuple[str, float]:
    """ "a big wave", "a deep bow", "kicks high": adjectives that size an action."""
    if size != 1.0:
        return text, size
    rule = re.compile(
        rf"\b(?P<very>very |really )?(?P<a>{BIG}|{SMALL}|deep|high|mighty"
        rf"|powerful) (?P<noun>[a-z-]+)"
    )
    for match in rule.finditer(text):
        if not _noun(match["noun"]) or match["a"] in ("long", "short", "grand"):
            continue
        small = re.fullmatch(SMALL, match["a"]) is not None
        factor = (0.6 if match["very"] or match["a"] == "tiny" else 0.7) if small else 1.3
        return text[: match.start()] + text[match.start("noun") :], factor
    high = re.search(
        r"\b(?:jump|leap|kick|hop|wave)(?:s|ing)? (?:\w+ )?(?P<a>high|deeply|big)\b", text
    )
    if high is not None:
        return text, 1.3
    low = re.search(r"\bbow(?:s|ing)? (?P<a>deeply|low|deep)\b", text)
    return (text, 1.3) if low is not None else (text, size)


def _cut(text: str, match: re.Match[str]) -> str:
    return f"{text[: match.start()].rstrip()} {text[match.end() :].lstrip()}"
