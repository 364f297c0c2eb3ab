"""What runs on the machine: standard library only, Python 3.8 or newer. It travels as one file, `agent.pyz`.

`python3 agent.pyz COMMAND …` from the target's root; paths are relative to it. Each command answers with one line of
JSON; `receive` and `send` with bytes, `follow` with lines. A run is a folder:

    run.json        key, argv, workspace
    .order.json     the whole request; readable by its owner alone, its environment removed when the run has ended
    log.txt         stdout and stderr of the command, each line after a UTC time; the agent's own begin with [agent]
    heartbeat.json  every second
    timer.json      the second, independent timer
    exit.json       once, at the end: cause, code, signal, times, attempts
    lease           its mtime is renewed by whoever watches; unchanged for the request's lease_s: the run ends
    stop            appears when the run should end
    collected.json  appears when the results are verified elsewhere
    release.json    appears when the machine's release command is run, once
    agent.log       stderr of the agent's own processes, normally empty

Two processes watch a run. The supervisor starts the command and is the only one to signal it; the timer replaces a
supervisor that has died, ends a run that is far over its time, and releases the machine. Each restarts the other. Both
are forked with every module loaded that they will ever need: `agent.pyz` may be replaced or removed while they run.

One run at a time holds the lock of its workspace. The lock's descriptor is inherited by the run, so "locked" means
that some process of it is alive.
"""
