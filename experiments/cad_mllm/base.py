"""The language model under the adapters: Qwen3 from its configuration, or the small one that `prepare` trains."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.cad_mllm import four_bit
from experiments.cad_mllm.parts import caption, draw
from experiments.cad_mllm.settings import Base
from experiments.cad_mllm.tokens import Tokens, tokens_of
from gonogo import UserError, allow_torchvision, code_digest, digest, file_digest, replacing

if TYPE_CHECKING:
    from transformers import Qwen3ForCausalLM

WEIGHTS = "base.pt"
BATCH = 32
# key of `Base` → transformers' name
SIZES = {
    "hidden_size": "hidden_size", "intermediate_size": "intermediate_size", "layers": "num_hidden_layers",
    "heads": "num_attention_heads", "key_value_heads": "num_key_value_heads", "head_dim": "head_dim",
    "vocabulary": "vocab_size", "tied": "tie_word_embeddings",
}  # fmt: skip
ROPE_THETA, POSITIONS = 1e6, 40960  # Qwen3's own


def base_model(base: Base, tokens: Tokens) -> Qwen3ForCausalLM:
    """Qwen3 with random weights; nothing is read or downloaded."""
    allow_torchvision()
    from transformers.models.qwen3 import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=base.vocabulary or len(tokens),
        hidden_size=base.hidden_size,
        intermediate_size=base.intermediate_size,
        num_hidden_layers=base.layers,
        num_attention_heads=base.heads,
        num_key_value_heads=base.key_value_heads,
        head_dim=base.head_dim,
        max_position_embeddings=POSITIONS,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA},
        tie_word_embeddings=base.tied,
        use_cache=False,
        bos_token_id=tokens.begin,
        eos_token_id=tokens.end,
        pad_token_id=tokens.pad,
    )
    return Qwen3ForCausalLM(config)


def load_base(base: Base, assets: Path | None) -> tuple[Qwen3ForCausalLM, str]:
    """The model and the digest of its weights; random, with an empty digest, if there are no assets.

    Raises:
        UserError: the weights are missing, or belong to another model.
    """
    tokens = tokens_of(base.pretrained if assets else None)
    if assets is None:
        traced = base_model(base, tokens)
        if base.bits:
            four_bit.packed_layers(traced.model.layers)
        return traced, ""
    if base.pretrained is not None:
        return _pretrained(base.pretrained.check("settings.model.base.pretrained"), base)
    path, model = assets / WEIGHTS, base_model(base, tokens)
    if not path.is_file():
        raise UserError(f"{path}: the base model is missing. Make it: run the workflow with --forcerun prepare")
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True), strict=not base.tied)
    except Exception as error:  # torch may raise any exception on damaged bytes
        raise UserError(f"{path}: not the weights of this base model ({str(error).splitlines()[0]})") from None
    model.tie_weights()
    return model, file_digest(path)


def _pretrained(folder: Path, base: Base) -> tuple[Qwen3ForCausalLM, str]:
    from transformers.models.qwen3 import Qwen3Config, Qwen3ForCausalLM

    key = "settings.model.base"
    try:
        _check_sizes(Qwen3Config.from_pretrained(folder, local_files_only=True), base, f"{key}.pretrained: {folder}")
        if base.bits:
            model = four_bit.load(folder, f"{key}.bits")
        else:
            model = Qwen3ForCausalLM.from_pretrained(folder, local_files_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{key}.pretrained: {folder}: {str(error).splitlines()[0]}") from None
    weights = sorted((path.name, path.stat().st_size) for path in folder.glob("*.safetensors"))
    return model, digest(file_digest(folder / "config.json"), weights)


def _check_sizes(said: Any, base: Base, where: str) -> None:
    """Raise UserError for the first size in which the folder's config.json and the settings differ."""
    for key, name in SIZES.items():
        here, there = getattr(base, key), getattr(said, name)
        if here != there and (here or key != "vocabulary"):
            raise UserError(
                f"{where}: its config.json has {name} {there}, settings.model.base.{key} is {here}: the memory plan "
                "would be of another model. Write the model's own, or name another folder."
            )


# --- training of the small base -----------------------------------------------------------------------


def make_base(base: Base, out: Path, cache: Path, seed: int) -> dict[str, Any]:
    """Write the small base to `out`, trained here or from the cache; concurrent experiments train it once.

    Returns:
        `loss`, at the end of its training; nothing if it came from the cache.
    """
    name = digest(base.model_dump(mode="json"), seed, code_digest(_sources()))[:16]
    kept = cache / f"{name}.pt"
    found: dict[str, Any] = {}
    with _alone(cache / f"{name}.lock"):
        if not kept.is_file():
            model, found["loss"] = _trained(base, seed)
            with replacing(kept) as temporary:
                torch.save(model.state_dict(), temporary)
    with replacing(out / WEIGHTS) as temporary:
        shutil.copyfile(kept, temporary)
    return found


def _sources() -> list[Path]:
    folder = Path(__file__).parent
    return [folder / name for name in ("base.py", "parts.py", "program.py", "tokens.py")]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait while another process holds the lock; the kernel releases it if that process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _trained(base: Base, seed: int) -> tuple[Qwen3ForCausalLM, float]:
    """A base that has read captions and programs separately: it knows the words, but not which program fits."""
    tokens = tokens_of(None)
    torch.manual_seed(seed)
    model = base_model(base, tokens)
    optimizer = torch.optim.AdamW(model.parameters(), lr=base.learning_rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, base.learning_rate, total_steps=max(base.steps, 2))
    loss = torch.zeros(())
    for step in range(base.steps):
        batch = _reading(tokens, seed, step)
        optimizer.zero_grad()
        logits = model(input_ids=batch).logits[:, :-1]
        loss = F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=tokens.pad)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model.eval(), float(loss.detach())


def _reading(tokens: Tokens, seed: int, step: int) -> Tensor:
    """(BATCH, T) ids: captions, programs, and lists of sizes that occur twice, in different order."""
    rows = []
    for number in range(BATCH):
        rng = np.random.default_rng([seed, 1 << 20, step, number])
        part = draw(rng)
        kind = number % 4
        if kind == 0:
            rows.append([*tokens.caption(caption(part, rng, 1.0))[:-1], tokens.end])
        elif kind == 1:
            rows.append([tokens.begin, tokens.program, *tokens.code(part.program)])
        else:
            rows.append([tokens.begin, *_twice(part.sizes, rng, tokens), tokens.end])
    return padded(rows, tokens.pad, max(map(len, rows)))


def _twice(sizes: dict[str, int], rng: np.random.Generator, tokens: Tokens) -> list[int]:
    """`30 wide 4 thick <program> thick 4 wide 30`: a pretrained language model can look things up."""
    words = list(sizes)
    rng.shuffle(words)
    numbers = rng.integers(0, 41, len(words))
    first = " ".join(f"{number} {word}" for number, word in zip(numbers, words, strict=True))
    order = rng.permutation(len(words))
    second = " ".join(f"{words[at]} {numbers[at]}" for at in order)
    return [*tokens.caption(first)[1:], *tokens.code(second)[:-1]]


def padded(rows: list[list[int]], pad: int, length: int, *, left: bool = False) -> Tensor:
    """(N, length) int64; longer rows are cut at their end."""
    found = torch.full((len(rows), length), pad, dtype=torch.long)
    for at, row in enumerate(rows):
        kept = row[:length]
        place = slice(length - len(kept), None) if left else slice(None, len(kept))
        found[at, place] = torch.tensor(kept, dtype=torch.long)
    return found
