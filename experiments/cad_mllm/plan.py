"""Options that let a training step of the language model use less memory, and their costs."""

from __future__ import annotations

from experiments.cad_mllm.settings import ModelSettings
from gonogo import PlanOption

RECOMPUTED = "one more forward pass: with a frozen base, backward costs about as much as forward: 3 passes, not 2"
IN_PARTS = "the head's product is recomputed in the backward pass; under 5 % of a step at 8 billion weights"
UNPACKED = "assumed: each weight is unpacked before its product, in the backward pass once more; the canary measures it"
SHORTER = "fewer tokens; longer parts are cut, which the quality gate counts"


def plan_options(model: ModelSettings) -> list[PlanOption]:
    """Those not in use yet."""
    found = []
    if not model.chunked_loss:
        found.append(_option("logits in parts", {"chunked_loss": True}, 1.05, IN_PARTS))
    if not model.gradient_checkpointing:
        found.append(_option("gradient checkpointing", {"gradient_checkpointing": True}, 1.5, RECOMPUTED))
    if model.base.pretrained is not None and model.base.bits is None:
        packed = _option("a base at 4 bits", {"base": {"bits": 4}}, 1.3, UNPACKED, exact=False)
        found.append(packed.model_copy(update={"lessens_weights": True}))
    shorter = model.max_seq_length // 2
    if shorter > 2 * model.max_caption_tokens:
        found.append(_option(f"sequences of {shorter} tokens", {"max_seq_length": shorter}, 1.0, SHORTER, exact=False))
    return found


def _option(name: str, keys: dict[str, object], slowdown: float, source: str, *, exact: bool = True) -> PlanOption:
    return PlanOption(name=name, settings={"model": keys}, slowdown=slowdown, slowdown_source=source, exact=exact)
