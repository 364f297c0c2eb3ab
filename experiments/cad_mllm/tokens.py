"""Text to token ids and back: a small tokenizer with one id per word, or that of a pretrained model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cad_mllm.parts import CAPTION_WORDS
from experiments.cad_mllm.program import WORDS
from gonogo import Asset, UserError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

OWN = {"pad": "<pad>", "begin": "<begin>", "program": "<program>", "end": "<end>"}
QWEN = {"pad": "<|endoftext|>", "begin": "<|im_start|>", "program": "<|fim_prefix|>", "end": "<|im_end|>"}
UNKNOWN = "<unknown>"
KNOWN = frozenset((*WORDS, *CAPTION_WORDS))  # words of the built-in tokenizer


class Tokens:
    """A tokenizer with the special tokens of this experiment's sequences.

        <begin> caption <program> program <end> <pad> …

    Attributes:
        alphabet: ids that can occur in a program, and its end mark; predictions are over these.
    """

    def __init__(self, tokenizer: Tokenizer, marks: dict[str, str]) -> None:
        self.tokenizer = tokenizer
        ids = {name: tokenizer.token_to_id(word) for name, word in marks.items()}
        if missing := [marks[name] for name, found in ids.items() if found is None]:
            raise UserError(f"the tokenizer lacks {', '.join(missing)}: it does not belong to Qwen3")
        self.pad, self.begin, self.program, self.end = (ids[name] for name in ("pad", "begin", "program", "end"))
        spelt = {id for word in WORDS for id in (*self._ids(word), *self._ids(f" {word}"))}
        self.alphabet = sorted(spelt | {self.end})
        self.position = {id: at for at, id in enumerate(self.alphabet)}

    def __len__(self) -> int:
        return self.tokenizer.get_vocab_size()

    def caption(self, text: str) -> list[int]:
        return [self.begin, *self._ids(text), self.program]

    def code(self, text: str) -> list[int]:
        return [*self._ids(text), self.end]

    def text(self, ids: Sequence[int]) -> str:
        """Up to the first end mark."""
        ids = list(ids)
        kept = ids[: ids.index(self.end)] if self.end in ids else ids
        return self.tokenizer.decode(kept).strip()

    def count(self, text: str) -> int:
        """Tokens of a caption and its program, one line each, with all special tokens."""
        return len(self._ids(text)) + 3

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer.encode(text, add_special_tokens=False).ids


def tokens_of(pretrained: Asset | None) -> Tokens:
    """The built-in tokenizer, or that of a pretrained model's folder.

    Raises:
        UserError: the folder has none.
    """
    return _own() if pretrained is None else _pretrained(pretrained.where, pretrained.source)


@lru_cache(maxsize=1)
def _own() -> Tokens:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = [*OWN.values(), UNKNOWN, *dict.fromkeys([*WORDS, *CAPTION_WORDS])]
    tokenizer = Tokenizer(models.WordLevel({word: id for id, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return Tokens(tokenizer, OWN)


@lru_cache(maxsize=2)
def _pretrained(folder: Path, source: str) -> Tokens:
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UserError(f"settings.model.base.pretrained: {path}: no such file. Get the folder from {source}")
    try:
        return Tokens(Tokenizer.from_file(str(path)), QWEN)
    except UserError:
        raise
    except Exception as error:  # the only exception the library raises
        raise UserError(f"{path}: not a readable tokenizer ({error})") from None
