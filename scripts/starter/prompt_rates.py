"""Rates of the reader of prompts: what of the prompt lists is read right, per list and form.

    python -m scripts.starter.prompt_rates MODEL [--dev prompts_dev.json] [--held-out captions.json]

MODEL is a folder with words.json. With ``--held-out`` the words are trained anew without every
phrase of the bank whose core is in a list, and without every "other" phrase whose sentence vector
is nearer than 0.75 (cosine) to an unknown activity of the lists: what remains is what the reader
makes of wordings and activities that it never met. Nothing here needs a motion model.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.text import minilm
from backend.text.prompts.action_words import ActionWords, with_known
from backend.text.prompts.amounts import reworded
from backend.text.prompts.clauses import clauses
from backend.text.prompts.cores import core_of
from backend.text.prompts.reader import PromptReader
from backend.text.prompts.reading import PartReading, Reading
from backend.training.words.into_model import captions_by_label
from backend.training.words.train import encode, train_words

from .scoring import rate

LISTS = Path(__file__).with_name("prompt_lists.json")
SAME = {
    "slash": ("sword_slash", "sword_chop"),
    "call": ("call_shout", "call_listen"),
    "raise_hand": ("raise_hand", "raise_both_hands", "respond"),
    "raise_both_hands": ("raise_hand", "raise_both_hands"),
    "kick": ("kick", "front_kick", "roundhouse_kick", "side_kick"),
    "punch": ("punch", "karate_punch", "box"),
    "wave": ("wave", "bye"),
    "bye": ("wave", "bye"),
    "roundhouse_kick": ("roundhouse_kick", "spin_kick"),
    "run": ("run", "dash"),
    "karate_block": ("karate_block", "block"),
    "crouch": ("crouch", "defend"),
    "party_dance": ("party_dance", "dance"),
    "dance": ("party_dance", "dance"),
}
"""Labels whose motions answer each other's words."""
FORMS = (
    "{ing}",
    "{bare}",
    "a person {third}",
    "a person is {ing}",
    "an old man is slowly {ing}",
    "a tired woman {third}",
    "a person walks forward and starts {ing}",
    "a person walks forward and {third}",
    "a soldier {ing} with the right hand",
    "{ing} happily",
)
FRAMES = (
    "a person is ",
    "an old man is slowly ",
    "a person walks forward and starts ",
    "a soldier ",
)
CLOSE = 0.75


@dataclass(frozen=True)
class Rate:
    """``right`` of ``count``, with its 95 % interval when printed."""

    name: str
    right: int
    count: int

    def __str__(self) -> str:
        found = rate([i < self.right for i in range(self.count)])
        low, high = (round(100 * found[side]) for side in ("low", "high"))
        share = 100 * found["accuracy"]
        return f"{self.name:<44} {share:5.1f} % ({self.right} of {self.count}; {low} to {high})"


def accepted(labels: Iterable[str]) -> set[str]:
    """Labels that count as right for those of a list entry."""
    return {one for label in labels for one in (label, *SAME.get(label, ()))}


def part_right(part: PartReading, labels: Sequence[str], known: frozenset[str]) -> bool:
    """Whether a part has an accepted label, or is rightly unknown to this model."""
    wanted = accepted(labels)
    asked = part.asked
    assert asked is not None
    if "unknown" in wanted and asked.status != "known":
        return True
    if not wanted & known:
        return asked.status != "known"
    return asked.status == "known" and part.label in wanted


def reads_right(reading: Reading, entry: dict[str, Any], known: frozenset[str]) -> bool:
    """Actions in their order, none too many, and none that the prompt denies."""
    parts = reading.parts
    if len(parts) != len(entry["parts"]) or any(p.label in entry.get("not", ()) for p in parts):
        return False
    pairs = list(zip(parts, entry["parts"], strict=True))
    straight = all(part_right(p, e["labels"], known) for p, e in pairs)
    if not straight and len(parts) == 2 and parts[1].link == "with":
        straight = all(
            part_right(p, e["labels"], known)
            for p, e in zip(reversed(parts), entry["parts"], strict=True)
        )
    return straight


def details_right(reading: Reading, entry: dict[str, Any]) -> bool:
    """Side, counts, speeds, place, size and still limbs as the entry says."""
    parts = reading.parts
    if "side" in entry:
        left, right = (any(p.sides[i] for p in parts) for i in (0, 1))
        wanted = {"left": (True, False), "right": (False, True), "none": (False, False)}
        both = entry["side"] == "both"
        if not both and (left, right) != wanted[entry["side"]]:
            return False
    if "counts" in entry and not _counts_right(parts, entry["counts"]):
        return False
    if "speeds" in entry:
        paced = parts[: len(entry["speeds"])]
        for part, (low, high) in zip(paced, entry["speeds"], strict=True):
            if not low - 1e-6 <= part.amounts.speed <= high + 1e-6:
                return False
    if "size" in entry and not any(
        (p.amounts.size > 1) == (entry["size"] == "big") and p.amounts.size != 1 for p in parts
    ):
        return False
    if "still" in entry and not any(entry["still"] in p.still for p in parts):
        return False
    return "place" not in entry or any(_place_right(p, entry["place"]) for p in parts)


def _counts_right(parts: Sequence[PartReading], counts: Sequence[str]) -> bool:
    said = [p for p in parts if p.amounts.count or p.amounts.steps or p.amounts.repeated]
    if counts == ["none"]:
        return not said
    if counts == ["several"]:
        return len(said) == 1 and said[0].amounts.repeated
    if len(said) != len(counts):
        return False
    for part, wanted in zip(said, counts, strict=True):
        found = part.amounts.steps if wanted.endswith("steps") else part.amounts.count
        if found != int(wanted.removesuffix("steps")):
            return False
    return True


def _place_right(part: PartReading, place: str) -> bool:
    a = part.amounts
    if place == "spot":
        return a.spot
    if place == "circle":
        return a.turn is not None and abs(abs(a.turn) - 2 * math.pi) < 0.1
    if place == "uturn":
        return a.turn is not None and abs(abs(a.turn) - math.pi) < 0.1
    if place in ("left", "right"):
        return part.sides == (place == "left", place == "right")
    return a.metres is not None and abs(a.metres - float(place.removesuffix("m"))) < 0.06


# ---------------------------------------------------------------------------- lists


def list_rates(reader: PromptReader, lists: dict[str, Any]) -> tuple[list[Rate], list[str]]:
    """Rates of the prompt lists, and the prompts that were read wrong."""
    known = reader.words.known
    rates, wrong = [], []
    for name, entries in lists.items():
        if name in ("note", "unknown"):
            continue
        fitting = [e for e in entries if _possible(e, known)]
        results = []
        for entry in fitting:
            reading = reader.read(entry["prompt"])
            actions = reads_right(reading, entry, known)
            details = details_right(reading, entry)
            results.append((actions, details, actions and details))
            if not (actions and details):
                wrong.append(f"{name}: {entry['prompt']} -> {_shown(reading)}")
        for index, what in enumerate(("actions", "details", "both")):
            if what == "actions" or name not in ("wordings", "misspellings"):
                rates.append(Rate(f"{name}: {what}", sum(r[index] for r in results), len(results)))
    prompts = [e["prompt"] for e in lists["unknown"]]
    silent = [p for p in prompts if not reader.read(p).unknown]
    rates.append(Rate("own unknown activities warned", len(prompts) - len(silent), len(prompts)))
    known_ones = [
        e["prompt"]
        for name in ("wordings", "sides", "counts", "speed", "place and size", "negation")
        for e in lists[name]
        if all(accepted(p["labels"]) & known and "unknown" not in p["labels"] for p in e["parts"])
    ]
    alarms = [p for p in known_ones if reader.read(p).unknown]
    rates.append(Rate("own known prompts warned wrongly", len(alarms), len(known_ones)))
    wrong += [f"silent: {p} -> {_shown(reader.read(p))}" for p in silent]
    return rates, wrong + [f"alarm: {p}" for p in alarms]


def _possible(entry: dict[str, Any], known: frozenset[str]) -> bool:
    """Whether the model has what the entry asks for; unknown parts are possible everywhere."""
    return all(accepted(p["labels"]) & (known | {"unknown"}) for p in entry["parts"])


def _shown(reading: Reading) -> str:
    return " | ".join(
        f"{'& ' if p.link == 'with' else ''}{p.label or '?' + p.asked.words}"
        f" {p.asked.probability:.2f} sides{p.sides} still{p.still}"
        f" {[p.amounts.count, p.amounts.steps, p.amounts.metres, p.amounts.speed, p.amounts.size]}"
        for p in reading.parts
        if p.asked is not None
    )


def dev_rates(reader: PromptReader, dev: Sequence[dict[str, str]]) -> tuple[list[Rate], list[str]]:
    """Rates of prompts_dev.json: right actions, warnings, its unknown ones in every form."""
    known = reader.words.known
    right = alarms = count = foreign = told = 0
    wrong = []
    for entry in dev:
        if entry["expect"] == "unknown":
            continue
        reading = reader.read(entry["prompt"])
        steps = [accepted([label]) for label in entry["expect"].split(" then ")]
        if not all(step & known for step in steps):
            foreign += 1
            told += bool(reading.unknown)
            if not reading.unknown:
                wrong.append(f"dev, not in this model: {entry['prompt']} -> {_shown(reading)}")
            continue
        count += 1
        fits = [p.label in s for p, s in zip(reading.parts, steps, strict=False)]
        good = all(fits) and len(reading.parts) == len(steps)
        right += good
        alarms += bool(reading.unknown)
        if not good or reading.unknown:
            wrong.append(f"dev: {entry['prompt']} ({entry['expect']}) -> {_shown(reading)}")
    rates = [
        Rate("dev, known: right action", right, count),
        Rate("dev, known: warned wrongly", alarms, count),
    ]
    if foreign:
        rates.append(Rate("dev, outside this model: warned", told, foreign))
    for form in FORMS:
        prompts = [form.format(**words) for words in activities(dev)]
        silent = [p for p in prompts if not reader.read(p).unknown]
        rates.append(
            Rate(f"dev unknown, “{form}”: warned", len(prompts) - len(silent), len(prompts))
        )
        wrong += [f"silent: {p} -> {_shown(reader.read(p))}" for p in silent]
    return rates, wrong


def activities(dev: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The unknown activities of prompts_dev.json as bare, third and -ing forms."""
    from backend.text.prompts.lexicon import ing, lexicon, third

    found = {}
    for entry in dev:
        if entry["expect"] != "unknown":
            continue
        text = entry["prompt"]
        for frame in FRAMES:
            text = text.removeprefix(frame)
        words = text.removesuffix(" with the right hand").split()
        at = next((i for i, w in enumerate(words) if lexicon().verb(w) and w.endswith("ing")), None)
        if at is None:  # "golf swing"
            words, at = ["doing", "a", *words], 0
        verb = lexicon().forms[words[at]][0]
        shapes = {"bare": verb, "third": third(verb), "ing": ing(verb)}
        found[text] = {k: " ".join([*words[:at], v, *words[at + 1 :]]) for k, v in shapes.items()}
    return list(found.values())


def held_out_words(
    captions: dict[str, list[str]] | None, encoder: Any, lists: dict[str, Any], dev: Sequence[Any]
) -> ActionWords:
    """Words trained without what the lists hold: see the module."""
    prompts = [e["prompt"] for n, es in lists.items() if n != "note" for e in es]
    prompts += [e["prompt"] for e in dev]
    seen = {core_of(c.text).text for p in prompts for c in clauses(reworded(p))}
    strange = [e["prompt"] for e in lists["unknown"]]
    strange += [e["prompt"] for e in dev if e["expect"] == "unknown"]
    far = [core_of(c.text).text for p in strange for c in clauses(p)]
    far = [text for text in dict.fromkeys(far) if text != "walk forward"]
    vectors = encode(far, encoder)

    from backend.training.words.bank import OTHERS, cores, read_bank

    others = list(
        dict.fromkeys(c for ps in read_bank(OTHERS, "fields").values() for c in cores(ps))
    )
    close = (encode(others, encoder) @ vectors.T).amax(dim=1) > CLOSE
    gone = seen | {text for text, near in zip(others, close.tolist(), strict=True) if near}
    return train_words(captions, None, encoder, leave_out=gone.__contains__)


def main() -> None:
    """Print the rates of a model folder's reader."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--dev", type=Path)
    parser.add_argument("--held-out", type=Path, help="captions.json of the data; trains anew")
    parser.add_argument(
        "--all-labels", action="store_true", help="as a model that can make them all"
    )
    parser.add_argument("--wrong", action="store_true", help="print what was read wrong")
    args = parser.parse_args()
    encoder = minilm.shared()
    lists = json.loads(LISTS.read_text(encoding="utf-8"))
    dev = json.loads(args.dev.read_text(encoding="utf-8")) if args.dev else []
    words = ActionWords.load(args.model)
    if args.held_out:
        fresh = held_out_words(captions_by_label(args.held_out), encoder, lists, dev)
        words = with_known(fresh, sorted(words.known))
    if args.all_labels:
        words = with_known(words, words.labels)
    reader = PromptReader(words, encoder)
    rates, wrong = list_rates(reader, lists)
    if dev:
        more, also = dev_rates(reader, dev)
        rates, wrong = rates + more, wrong + also
    print(*rates, sep="\n")
    if args.wrong:
        print(*wrong, sep="\n")


if __name__ == "__main__":
    main()
