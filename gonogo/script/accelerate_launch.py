"""What `accelerate launch` would start, asked of accelerate itself.

python -m gonogo.script.accelerate_launch WORDS     prints a ScriptCommand as JSON
"""

from __future__ import annotations

import os
import sys
from typing import Any

from gonogo.script.request import ScriptCommand

# how the model is spread over processes: one process is watched, with the whole model
SPREADING = ("use_fsdp", "use_deepspeed", "use_megatron_lm", "use_parallelism_config", "tpu", "multi_gpu")
OURS = ("OMP_NUM_THREADS", "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES")  # set for each pass by gonogo


def read_words(words: list[str]) -> ScriptCommand:
    """The script, its arguments, and the environment that accelerate gives it."""
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser
    from accelerate.utils.launch import prepare_simple_launcher_cmd_env

    arguments: Any = launch_command_parser().parse_args(words)
    asked = arguments.num_processes
    arguments, defaults, _ = _validate_launch_command(arguments)
    if asked is None and defaults is not None:
        asked = defaults.num_processes
    left_out = [name for name in SPREADING[:4] if getattr(arguments, name, False)]
    for name in SPREADING:
        setattr(arguments, name, False)
    before = dict(os.environ)
    _, after = prepare_simple_launcher_cmd_env(arguments)
    name = arguments.training_script
    steps = getattr(arguments, "gradient_accumulation_steps", None)
    environment = {key: value for key, value in after.items() if before.get(key) != value and key not in OURS}
    if steps and "use_deepspeed" in left_out:
        environment["ACCELERATE_GRADIENT_ACCUMULATION_STEPS"] = str(steps)
    notes = [f"{option.removeprefix('use_')}: left out, one process holds the whole model" for option in left_out]
    if asked is None:
        notes.append("--num_processes is not given, so that accelerate takes every card: one process is assumed")
    return ScriptCommand(
        words=[], path="" if arguments.module else name, module=name if arguments.module else "",
        arguments=arguments.training_script_args, launcher="accelerate", processes=max(int(asked or 1), 1),
        environment=environment, notes=notes,
    )  # fmt: skip


def main() -> None:
    try:
        print(read_words(sys.argv[1:]).model_dump_json())
    except ImportError as problem:
        sys.exit(f"error: {problem}; install accelerate where gonogo is installed")
    except Exception as problem:  # its own words are better than ours
        sys.exit(f"error: {' '.join(str(problem).split())}")


if __name__ == "__main__":
    main()
