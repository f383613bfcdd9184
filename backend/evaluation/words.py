"""Words to vectors and tags, as the HumanML3D evaluator reads them (Guo et al., CVPR 2022).

A token is ``word/TAG``. Words are looked up in a GloVe vocabulary of 300 dimensions that comes with
the evaluator (``our_vab_data.npy``, ``our_vab_words.pkl``, ``our_vab_idx.pkl``); some words have a
tag of their own that replaces the part of speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ArtifactError, FormatError, MissingDependency
from ..motion.io import strangers

MAX_WORDS = 20
"""Tokens beyond this are dropped; with start and end a caption has at most 22."""
PADDED_WORDS = MAX_WORDS + 2
START, END, UNKNOWN = "sos/OTHER", "eos/OTHER", "unk/OTHER"
_OTHER = "OTHER"

_LOCATION = """left right clockwise counterclockwise anticlockwise forward back backward up down
straight curve"""
_BODY = "arm chin foot feet face hand mouth leg waist eye knee shoulder thigh"
_OBJECT = "stair dumbbell chair window floor car ball handrail baseball basketball"
_ACTION = """walk run swing pick bring kick put squat throw hop dance jump turn stumble stop sit
lift lower raise wash stand kneel stroll rub bend balance flap jog shuffle lean rotate spin spread
climb"""
_MANNER = "slowly carefully fast careful slow quickly happy angry sad happily angrily sadly"

SPECIAL_WORDS: dict[str, frozenset[str]] = {
    "Loc_VIP": frozenset(_LOCATION.split()),
    "Body_VIP": frozenset(_BODY.split()),
    "Obj_VIP": frozenset(_OBJECT.split()),
    "Act_VIP": frozenset(_ACTION.split()),
    "Desc_VIP": frozenset(_MANNER.split()),
}
"""Words with a tag of their own; the first list that holds a word wins."""
TAGS: tuple[str, ...] = (
    "VERB", "NOUN", "DET", "ADP", "NUM", "AUX", "PRON", "ADJ", "ADV",
    *SPECIAL_WORDS, _OTHER,
)  # fmt: skip
"""Places of the one-hot."""

GLOVE_FILES = ("our_vab_data.npy", "our_vab_words.pkl", "our_vab_idx.pkl")
_GLOVE_HINT = (
    "They are the folder 'glove' of the text-to-motion evaluator (glove.zip, linked in the README"
    " of github.com/EricGuo5513/HumanML3D and of MDM)."
)


@dataclass(frozen=True)
class Vocabulary:
    """``vectors`` [V, 300] float32 and the row of each word; holds the word ``unk``."""

    vectors: np.ndarray
    rows: dict[str, int]

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Read a ``glove`` folder.

        Raises:
            ArtifactError: a file is missing (the hint says where it comes from) or malformed.
        """
        missing = [name for name in GLOVE_FILES if not (folder / name).is_file()]
        if missing:
            raise ArtifactError(f"{folder} lacks {', '.join(missing)}.", _GLOVE_HINT)
        try:
            vectors = np.load(folder / GLOVE_FILES[0], allow_pickle=False)
            words = strangers.read_plain(folder / GLOVE_FILES[1])
            index = strangers.read_plain(folder / GLOVE_FILES[2])
            rows = {str(word): int(index[word]) for word in words}
        except (OSError, EOFError, ValueError, KeyError, TypeError, FormatError) as error:
            raise ArtifactError(
                f"The word vectors in {folder} cannot be read: {error}.", _GLOVE_HINT
            ) from error
        fits = vectors.ndim == 2 and "unk" in rows
        if not fits or not 0 <= min(rows.values()) <= max(rows.values()) < len(vectors):
            raise ArtifactError(
                f"{folder} holds {list(vectors.shape)} vectors for {len(rows)} words.", _GLOVE_HINT
            )
        return cls(vectors.astype(np.float32), rows)

    def look_up(self, token: str) -> tuple[np.ndarray, np.ndarray]:
        """Vector ``[300]`` and tag one-hot ``[15]`` of ``word/TAG``; FormatError if malformed."""
        parts = token.split("/")
        if len(parts) != 2:
            raise FormatError(
                f"The token {token!r} is not word/TAG.", "Check the captions' token column."
            )
        word, tag = parts
        known = word in self.rows
        if known:
            tag = next((name for name, words in SPECIAL_WORDS.items() if word in words), tag)
        one_hot = np.zeros(len(TAGS), np.float32)
        one_hot[TAGS.index(tag if known and tag in TAGS else _OTHER)] = 1.0
        return self.vectors[self.rows[word if known else "unk"]], one_hot

    def encode(self, tokens: Sequence[str]) -> tuple[np.ndarray, np.ndarray, int]:
        """A caption's tokens to words ``[22, 300]``, tags ``[22, 15]`` and their number.

        Start and end count; beyond :data:`MAX_WORDS` tokens are dropped.
        """
        framed = frame_tokens(tokens)
        found = [self.look_up(token) for token in framed[0]]
        return np.stack([f[0] for f in found]), np.stack([f[1] for f in found]), framed[1]


def frame_tokens(tokens: Sequence[str]) -> tuple[list[str], int]:
    """Start, tokens, end, padding to 22, and the length without padding."""
    kept = [START, *tokens[:MAX_WORDS], END]
    return kept + [UNKNOWN] * (PADDED_WORDS - len(kept)), len(kept)


def tokenise(captions: Sequence[str]) -> list[list[str]]:
    """``word/TAG`` tokens of free text, as the data set's own text files were made.

    spaCy's ``en_core_web_sm``; hyphens removed, tokens that are no words dropped, nouns and verbs
    as lemmas except "left", all in lower case; a text without words is the unknown token.
    HumanML3D's text files carry their tokens and do not need this.

    Raises:
        MissingDependency: spaCy or its English model is not installed.
    """
    if not captions:
        return []
    try:
        import spacy

        language = spacy.load("en_core_web_sm")
    except (ImportError, OSError) as error:
        raise MissingDependency(
            "Free text needs spaCy with its small English model to be tokenised.",
            "pip install spacy, then python -m spacy download en_core_web_sm; or use text files"
            " that carry tokens (HumanML3D's layout).",
            str(error),
        ) from error
    found = []
    for document in language.pipe(caption.replace("-", "") for caption in captions):
        tokens = []
        for token in document:
            if not token.text.isalpha():
                continue
            lemma = token.pos_ in ("NOUN", "VERB") and token.text != "left"
            word = token.lemma_ if lemma else token.text
            tokens.append(f"{word.lower()}/{token.pos_}")
        found.append(tokens or [UNKNOWN])
    return found
