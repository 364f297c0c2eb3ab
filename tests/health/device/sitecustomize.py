"""A GPU with a fault, for child processes that start with this folder on PYTHONPATH: it dies where it is first used.

FAULT: abort, segfault, hang, miscopies, miscalculates, foreign (an architecture that torch has no code for), or none.
ABORT_AT: a training on it is aborted in its so-manieth backward pass.
TOUCHED: whether or not it is hidden, a call that asks the driver for a GPU ends the process.
"""

import os
import signal
import time
from types import SimpleNamespace

if "FAULT" in os.environ and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
    import torch

    fault = os.environ["FAULT"]
    real_to, real_matmul = torch.Tensor.to, torch.Tensor.__matmul__
    arch = "gfx1010:xnack-" if fault == "foreign" else "gfx942"
    torch.cuda.is_available = lambda: True
    torch.cuda.get_device_properties = lambda index: SimpleNamespace(
        name="Faulty 5600", total_memory=6 << 30, gcnArchName=arch
    )
    torch.cuda.get_arch_list = lambda: ["gfx900", "gfx942"]

    def to(tensor, *args, **kwargs):
        if not args or not str(args[0]).startswith("cuda"):
            return real_to(tensor, *args, **kwargs)
        if fault == "abort":
            os.abort()  # what the ROCm runtime does on HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION
        if fault == "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        if fault == "hang":
            time.sleep(3600)
        copied = tensor.clone()
        if fault == "miscopies" and copied.is_floating_point():
            copied[0] += 1
        copied.on_device = True
        return copied

    def matmul(one, other):
        product = real_matmul(one, other)
        return product * 1.1 if fault == "miscalculates" and getattr(one, "on_device", False) else product

    torch.Tensor.to, torch.Tensor.__matmul__ = to, matmul

if "ABORT_AT" in os.environ and os.environ.get("CUDA_VISIBLE_DEVICES") != "":
    import torch

    real_backward, passes = torch.Tensor.backward, []

    def backward(tensor, *args, **kwargs):
        passes.append(1)
        if len(passes) == int(os.environ["ABORT_AT"]):
            print("HSA_STATUS_ERROR_MEMORY_APERTURE_VIOLATION", flush=True)
            os.abort()
        return real_backward(tensor, *args, **kwargs)

    torch.Tensor.backward = backward

if "TOUCHED" in os.environ:
    import torch

    def touched(*args, **kwargs):
        os.abort()

    torch._C._cuda_getDeviceCount = (
        touched  # what asks the driver, in a build for GPUs; with it, torch takes this for one
    )
    torch._C._cuda_getCurrentRawStream = touched
    torch.cuda._raw_device_count_nvml = torch.cuda._raw_device_count_amdsmi = torch.cuda._lazy_init = touched
