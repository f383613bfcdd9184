"""Prompts that tell a sequence ("an old man walks slowly, then bows") split into single actions."""

from __future__ import annotations

from ...text.prompts.amounts import reworded
from ...text.prompts.clauses import Clause, clauses
from ...text.prompts.subjects import has_subject, manner_of, subject_of, with_subject

__all__ = ["has_subject", "manner_of", "split_prompt", "subject_of"]


def split_prompt(prompt: str) -> list[str]:
    """The single actions of a prompt in the order of time; one entry when it tells only one.

    Actions at the same time ("walks and waves", "walks while waving") stay one entry. A later part
    without a subject of its own takes the subject of the part before it, and its manner ("sadly",
    "like a robot") unless it names another; "he", "she" and "they" stand for that subject. Pace
    words ("slowly") belong to their own part.

    >>> split_prompt("an old man walks slowly, then bows")
    ['an old man walks slowly', 'an old man bows']
    """
    groups: list[list[Clause]] = []
    for clause in clauses(reworded(prompt.strip())):
        if clause.link == "with" and groups:
            groups[-1].append(clause)
        else:
            groups.append([clause])
    if len(groups) < 2:
        return [prompt.strip()]
    parts: list[str] = []
    subject, manner = "", ""
    for group in groups:
        text = with_subject(" and ".join(c.text for c in group if c.text), subject, manner)
        parts.append(text)
        subject, manner = subject_of(text) or subject, manner_of(text) or manner
    return parts
