"""What a step takes beside its tensors: the context, and the workspaces of the libraries that its operations call.

None of it is in a trace. The driver takes some before the first tensor (`context`). Some is taken through the caching
allocator at the first call and kept (`kept`). Some is taken for the length of a call where it fits; where it does not,
the framework tries a slower algorithm instead of ending the run (`soft`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, Field

from gonogo.config.accelerator import Accelerator, Architecture

Kind = Literal["context", "kept", "soft"]
Needed = Literal["always", "matrix products", "convolutions"]

# words in operators' names
_MATRIX = re.compile(r"(?:^|[._])(?:mm|addmm|bmm|baddbmm|mv|addmv|linear|matmul|einsum|attention)(?:$|[._])")
_CONVOLUTION = re.compile(r"convolution|conv[123]d")


class Addition(BaseModel):
    """Memory beside the step's tensors."""

    name: str
    bytes: int = Field(ge=0)
    kind: Kind
    needed_by: Needed
    source: str

    @property
    def hard(self) -> bool:
        """The step cannot do without it."""
        return self.kind != "soft"


def _kept(name: str, size: int, source: str) -> Addition:
    return Addition(name=name, bytes=size, kind="kept", needed_by="matrix products", source=source)


def _soft(name: str, size: int, source: str) -> Addition:
    return Addition(name=name, bytes=size, kind="soft", needed_by="convolutions", source=source)


_POOL = "ATen/cuda/CublasHandlePool.cpp"
_CUBLAS = _kept(
    "cuBLAS workspace",
    2 * 4096 * 1024 + 8 * 16 * 1024,
    f"{_POOL}: CUBLAS_WORKSPACE_CONFIG is :4096:2:16:8 where it is not set; 8519680 B in a published memory snapshot",
)
_CUBLAS_HOPPER = _kept(
    "cuBLAS workspace", 32 << 20, f"cuBLAS reference (cublasSetWorkspace), as {_POOL} follows it from Hopper on"
)
_HIPBLASLT = _kept("hipBLASLt workspace", 80 << 20, "76 to 80 MiB on gfx942, ATen/cuda/CUDABlas.cpp")
_HIPBLAS = _kept("hipBLAS workspace", 32 << 20, f"{_POOL}, not confirmed on a card")
_CUDNN = _soft(
    "cuDNN workspace",
    900_000_000,
    "up to 0.4 to 0.9 GB on networks like VGG; where it does not fit the framework tries the next engine",
)
_MIOPEN = _soft(
    "MIOpen workspace",
    7_000_000_000,
    "up to 7 GB for 3-D convolutions, much less for 2-D; where it does not fit the default algorithm is taken",
)

# whose libraries take what
WORKSPACES: dict[Architecture, tuple[Addition, ...]] = {
    "cpu": (),
    "other": (),
    "turing": (_CUBLAS, _CUDNN),
    "ampere": (_CUBLAS, _CUDNN),
    "ada": (_CUBLAS, _CUDNN),
    "hopper": (_CUBLAS_HOPPER, _CUDNN),
    "blackwell": (_CUBLAS_HOPPER, _CUDNN),
    "cdna3": (_HIPBLASLT, _MIOPEN),
    "rdna1": (_HIPBLAS, _MIOPEN),
    "rdna3": (_HIPBLAS, _MIOPEN),
}


def is_matrix_product(operation: str) -> bool:
    """Whether the operator, by its name, multiplies matrices."""
    return _MATRIX.search(operation) is not None


def additions(accelerator: Accelerator, operations: Iterable[str]) -> list[Addition]:
    """What comes on top of a step made of these operators (names as in a trace), largest certainty first."""
    names = list(operations)
    called = {
        "always": True,
        "matrix products": any(is_matrix_product(name) for name in names),
        "convolutions": any(_CONVOLUTION.search(name) for name in names),
    }
    context = Addition(
        name="context: driver and libraries before the first tensor",
        bytes=accelerator.context_bytes,
        kind="context",
        needed_by="always",
        source=accelerator.sources.get("context_bytes", accelerator.source),
    )
    return [item for item in (context, *WORKSPACES[accelerator.architecture]) if called[item.needed_by]]
