"""Evaluator of HumanML3D: bidirectional GRUs for text and motion (Guo et al., CVPR 2022).

Tensor names are those of the released ``finest.tar``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence

UNIT_FRAMES = 4
"""Frames that become one movement token."""
CONTACT_COLUMNS = 4
"""Last columns of the features, which the evaluator does not see."""
_SLOPE = 0.2


@dataclass(frozen=True)
class T2MEvaluatorConfig:
    """Widths of the three networks."""

    pose: int = 263
    word: int = 300
    tags: int = 15
    text_hidden: int = 512
    embedding: int = 512
    movement_hidden: int = 512
    movement_latent: int = 512
    motion_hidden: int = 1024

    @classmethod
    def of_weights(
        cls,
        text: Mapping[str, Tensor],
        motion: Mapping[str, Tensor],
        movement: Mapping[str, Tensor],
    ) -> T2MEvaluatorConfig:
        """The widths that three state dicts have."""
        return cls(
            pose=movement["main.0.weight"].shape[1] + CONTACT_COLUMNS,
            word=text["pos_emb.weight"].shape[0],
            tags=text["pos_emb.weight"].shape[1],
            text_hidden=text["hidden"].shape[2],
            embedding=text["output_net.3.weight"].shape[0],
            movement_hidden=movement["main.0.weight"].shape[0],
            movement_latent=movement["main.3.weight"].shape[0],
            motion_hidden=motion["hidden"].shape[2],
        )


class MovementEncoder(nn.Module):
    """Normalised features ``[B, T, pose - 4]`` to movement tokens ``[B, T / 4, latent]``."""

    def __init__(self, config: T2MEvaluatorConfig) -> None:
        super().__init__()
        seen = config.pose - CONTACT_COLUMNS
        self.main = nn.Sequential(
            nn.Conv1d(seen, config.movement_hidden, 4, 2, 1),
            nn.Dropout(0.2),
            nn.LeakyReLU(_SLOPE),
            nn.Conv1d(config.movement_hidden, config.movement_latent, 4, 2, 1),
            nn.Dropout(0.2),
            nn.LeakyReLU(_SLOPE),
        )
        self.out_net = nn.Linear(config.movement_latent, config.movement_latent)

    def forward(self, x: Tensor) -> Tensor:
        """Padding frames must be zero, or as the protocol wants them: the last token sees six."""
        return self.out_net(self.main(x.transpose(1, 2)).transpose(1, 2))


class SequenceEncoder(nn.Module):
    """A bidirectional GRU whose two last states become one embedding."""

    def __init__(self, width: int, hidden: int, embedding: int) -> None:
        super().__init__()
        self.input_emb = nn.Linear(width, hidden)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.output_net = nn.Sequential(
            nn.Linear(2 * hidden, hidden),
            nn.LayerNorm(hidden),
            nn.LeakyReLU(_SLOPE),
            nn.Linear(hidden, embedding),
        )
        self.hidden = nn.Parameter(torch.zeros(2, 1, hidden))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """``x`` [B, T, width], ``lengths`` [B] in any order -> [B, embedding]."""
        packed = pack_padded_sequence(
            self.input_emb(x), lengths.cpu(), batch_first=True, enforce_sorted=False
        )
        first = self.hidden.expand(-1, len(x), -1).contiguous()
        _, last = self.gru(packed, first)
        return self.output_net(torch.cat([last[0], last[1]], -1))


class TextEncoder(SequenceEncoder):
    """Word vectors plus an embedding of their part-of-speech one-hot, then the GRU."""

    def __init__(self, config: T2MEvaluatorConfig) -> None:
        super().__init__(config.word, config.text_hidden, config.embedding)
        self.pos_emb = nn.Linear(config.tags, config.word)

    def encode(self, words: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """``words`` [B, L, 300], ``tags`` [B, L, 15] one-hot, ``lengths`` [B] -> [B, embedding]."""
        return self(words + self.pos_emb(tags), lengths)


class T2MEvaluator(nn.Module):
    """The three networks together; embeddings come back in the order of the inputs.

    The released code returns both sides sorted by motion length; distances of matched pairs do not
    depend on that order, batches do not either when both sides are kept together.
    """

    def __init__(self, config: T2MEvaluatorConfig) -> None:
        super().__init__()
        self.config = config
        self.text_encoder = TextEncoder(config)
        self.movement_encoder = MovementEncoder(config)
        self.motion_encoder = SequenceEncoder(
            config.movement_latent, config.motion_hidden, config.embedding
        )

    def embed_text(self, words: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """See :meth:`TextEncoder.encode`."""
        return self.text_encoder.encode(words, tags, lengths)

    def embed_motion(self, x: Tensor, lengths: Tensor) -> Tensor:
        """``x`` [B, T, pose] normalised with the evaluator's statistics, ``lengths`` [B] frames."""
        movements = self.movement_encoder(x[..., :-CONTACT_COLUMNS])
        return self.motion_encoder(movements, lengths // UNIT_FRAMES)
