"""Whether a chat has something to learn from: turns of the assistant that say something."""

from __future__ import annotations

import difflib
from typing import Any

TURNS_KEYS = ("messages", "conversations")
ROLE_KEYS, CONTENT_KEYS = ("role", "from"), ("content", "value")
ASSISTANT = frozenset(["assistant", "gpt", "model", "bot", "chatgpt", "ai"])
OTHERS = frozenset(
    ["system", "developer", "user", "human", "tool", "function", "observation", "ipython", "environment"]
)
# beside or instead of a text, what an assistant can answer
OTHER_ANSWERS = ("tool_calls", "function_call", "audio", "refusal", "reasoning_content", "thinking")
ANSWER_KEYS = ("completion", "response", "output", "answer", "chosen", "solution", "ground_truth")
ALIKE = 0.75  # difflib's ratio from which a role is a misspelt one


def chat_fault(record: Any) -> str:
    """What is wrong with a record's turns; empty for none, and for a record that is no chat.

    Names of their own, as in role play, are roles like any other.
    """
    if not isinstance(record, dict):
        return ""
    key = next((key for key in TURNS_KEYS if key in record), "")
    turns = record.get(key)
    if not key or (turns is not None and not isinstance(turns, list)):
        return ""
    if not turns:
        return f"no turns in {key!r}"
    if all(isinstance(turn, str) for turn in turns):
        return ""
    return _fault_of(turns, any(record.get(name) for name in ANSWER_KEYS))


def _fault_of(turns: list[Any], answered: bool) -> str:
    """
    Args:
        answered: the answer stands beside the turns.
    """
    if not all(isinstance(turn, dict) and any(name in turn for name in ROLE_KEYS) for turn in turns):
        return "a turn without a role"
    roles = [_role(turn) for turn in turns]
    for role, turn in zip(roles, turns, strict=True):
        if role not in ASSISTANT | OTHERS and (meant := _meant(role)):
            return f"role {role[:20]!r}: is {meant!r} meant?"
        if role in ASSISTANT and not _answers(turn):
            return "an assistant's turn without content"
    if ASSISTANT.isdisjoint(roles) and OTHERS.issuperset(roles) and not answered:
        return "no turn of an assistant"
    return ""


def _role(turn: dict[str, Any]) -> str:
    return str(next(turn[name] for name in ROLE_KEYS if name in turn)).strip().lower()


def _meant(role: str) -> str:
    """The known role that this one nearly is; empty for none."""
    return next(iter(difflib.get_close_matches(role, sorted(ASSISTANT | OTHERS), 1, ALIKE)), "")


def _answers(turn: dict[str, Any]) -> bool:
    if any(turn.get(name) for name in OTHER_ANSWERS):
        return True
    content = next((turn[name] for name in CONTENT_KEYS if name in turn), None)
    if isinstance(content, str):
        return bool(content) and not content.isspace()
    if isinstance(content, list):  # parts: texts, pictures, sounds
        return any(not isinstance(part, dict) or part.get("type") != "text" or part.get("text") for part in content)
    return content is not None
