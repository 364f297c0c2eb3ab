"""A CUDA build of torch on a machine without a driver: what it asks the CUDA runtime is answered for one GPU.

Before CUDA 13 the runtime refuses even to say which device is current where there is no driver, and torch then raises.
The few functions that torch's core library asks are replaced in that library's table of imported functions; nothing
else in the process sees the answers. For x86-64 and arm64 Linux.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from pathlib import Path
from typing import Any

import torch

from gonogo.base.errors import UserError
from gonogo.memory.torch_private import LIBRARIES, VERSION

LIBRARY = "libc10_cuda.so"
SET_CONTEXT = "_ZN3c104cuda9_internal20setHasPrimaryContextEPFbaE"
COUNT = "_ZN3c104cuda12device_countEv"
ANSWERS_BY_ITSELF = 13  # CUDA's major version
RELA, SYMBOLS, STRINGS, PLT_RELA, PLT_SIZE, RELA_SIZE = 7, 6, 5, 23, 2, 8  # tags of the dynamic section
DYNAMIC = 2  # type of its segment
_Pointer = ctypes.POINTER(ctypes.c_int)
_kept: list[Any] = []


def _gives(*values: int) -> Any:
    """A function that writes each value where its argument points, and says that all is well."""

    def answer(*pointers: Any) -> int:
        for pointer, value in zip(pointers, values, strict=True):
            pointer[0] = value
        return 0

    return ctypes.CFUNCTYPE(ctypes.c_int, *[_Pointer] * len(values))(answer)


def answer_for_one_gpu() -> bool:
    """Replace the imported functions, once for this process. Returns whether they are replaced.

    Raises:
        UserError: torch has counted the GPUs of this process already, and keeps the count.
    """
    file = LIBRARIES / LIBRARY
    if _kept:
        return True
    if not file.is_file() or int((torch.version.cuda or "13").split(".")[0]) >= ANSWERS_BY_ITSELF or _has_driver():
        return False
    c = ctypes.CDLL(None)
    said: dict[str, Any] = {
        "cudaGetDeviceCount": _gives(1),
        "cudaDeviceGetStreamPriorityRange": _gives(0, -5),
        # these are also called while a Python exception is on its way, when no Python may run: C functions that do this
        "cudaGetDevice": c.pthread_mutexattr_init,  # writes an int 0, returns 0
        "cudaSetDevice": c.abs,  # of device 0
        "cudaGetLastError": c.sched_yield,  # returns 0
    }
    base = _base_address(file.name)
    for name, offset in _imported(file).items():
        if name in said:
            _write_pointer(base + offset, ctypes.cast(said[name], ctypes.c_void_p).value or 0)
    library = ctypes.CDLL(str(file))
    getattr(library, SET_CONTEXT)(ctypes.cast(c.abs, ctypes.c_void_p))  # of device 0: it has no context
    _kept.append(said)
    if not getattr(library, COUNT)():
        raise UserError(
            f"torch {VERSION} has already looked for a GPU in this process, where there is none: "
            "trace in a process of its own"
        )
    return True


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _base_address(name: str) -> int:
    """Where the library begins in this process."""
    ctypes.CDLL(str(LIBRARIES / name))
    for line in Path("/proc/self/maps").read_text().splitlines():
        fields = line.split()
        if fields[-1].endswith(f"/{name}") and int(fields[2], 16) == 0:
            return int(fields[0].split("-")[0], 16)
    raise OSError(f"{name} is not loaded")


def _imported(file: Path) -> dict[str, int]:
    """Imported function → offset of the cell that holds its address."""
    data = file.read_bytes()
    at, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
    segments = [struct.unpack_from("<IIQQQQQQ", data, at + size * number) for number in range(count)]

    def offset(address: int) -> int:
        return next(s[2] + address - s[3] for s in segments if s[0] == 1 and s[3] <= address < s[3] + s[5])

    dynamic = next(segment for segment in segments if segment[0] == DYNAMIC)
    entries = [struct.unpack_from("<qQ", data, dynamic[2] + 16 * number) for number in range(dynamic[5] // 16)]
    tags = dict(reversed([(tag, value) for tag, value in entries if tag]))
    found: dict[str, int] = {}
    for table, length in ((PLT_RELA, PLT_SIZE), (RELA, RELA_SIZE)):
        if table not in tags:
            continue
        start = offset(tags[table])
        for place, info, _ in struct.iter_unpack("<QQq", data[start : start + tags[length]]):
            if info >> 32:
                name_at = struct.unpack_from("<I", data, offset(tags[SYMBOLS]) + 24 * (info >> 32))[0]
                begin = offset(tags[STRINGS]) + name_at
                found.setdefault(data[begin : data.index(b"\0", begin)].decode(), place)
    return found


def _write_pointer(address: int, value: int) -> None:
    page = mmap.PAGESIZE
    start = address // page * page
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.mprotect(start, 2 * page, mmap.PROT_READ | mmap.PROT_WRITE):
        raise OSError(ctypes.get_errno(), "mprotect")
    ctypes.c_void_p.from_address(address).value = value
