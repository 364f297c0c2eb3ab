"""How fast files reach a machine, against the tools that people use for it, side by side in one run.

    python benchmarks/transfer.py [--json FILE] [--quick] [--only LINE …] [--rounds N]

An sshd of its own, first on loopback (4,000 files of 105 kB, each in a folder of its own, and one file of 1 GB), then
behind an emulated line of 200 Mbit/s and 50 ms round trip, clean and with 0.1 % loss (500 files, and one of 128 MB;
two network namespaces and a relay, so as root). Each tool starts from an empty folder there, connects, and ends when
all files are there; seconds on the wall. The ratios are rates: gonogo's over the best other tool's; on the lossy line
over rsync's. A tool that is not done after three times gonogo's time and 20 s is stopped and counts for that.

Keys of the JSON: small_lan_ratio, big_lan_ratio, small_wan_ratio, big_wan_ratio, small_lossy_ratio, big_lossy_ratio,
resume_share (of 1 GB, after a cut at half), delta_share (1 % of the files changed), max_rss_mb (this side, ssh
included, and the agent), and `seconds` of every tool.
"""

from __future__ import annotations

import argparse
import getpass
import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.figures import save
from benchmarks.netns.link import FAR_IP, impossible, line
from benchmarks.proxy import proxy
from gonogo.config.target import Ssh, Target
from gonogo.remote.machine import connect
from gonogo.remote.transfer import upload

SMALL_BYTES = 105_000
CONFIG = """
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
PidFile {folder}/pid
AuthorizedKeysFile {folder}/client_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""
ROUNDS = 2
LAN = ("small_lan", "big_lan", "resume_share", "delta_share")
LINES = (*LAN, "small_wan", "big_wan", "small_lossy", "big_lossy")
PATIENCE_S, PATIENCE_RATIO = 20.0, 3.0


@dataclass
class Site:
    """A server, and a folder that is empty before each transfer. `near`: words that run a command on our side of it."""

    folder: Path
    address: str
    port: int
    near: Callable[..., list[str]] = lambda *words: list(words)

    @property
    def there(self) -> Path:
        return self.folder / "there"

    @property
    def ssh(self) -> Ssh:
        return Ssh(
            host=self.address,
            port=self.port,
            user=getpass.getuser(),
            key_file=self.folder / "client_key",
            known_hosts=self.folder / "known_hosts",
        )

    @property
    def options(self) -> str:
        return f"-F none -o BatchMode=yes -i {self.folder}/client_key -o UserKnownHostsFile={self.folder}/known_hosts"

    @property
    def login(self) -> str:
        return f"ssh {self.options} -p {self.port}"


@contextmanager
def server(folder: Path, address: str, port: int, far: Callable[..., list[str]]) -> Iterator[None]:
    """OpenSSH's server, as a distribution configures it but for where it listens."""
    if not (folder / "host_key").exists():
        for name in ("host_key", "client_key"):
            subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    key = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[{address}]:{port} {key}\n")
    (folder / "sshd_config").write_text(CONFIG.format(port=port, address=address, folder=folder))
    Path("/run/sshd").mkdir(exist_ok=True)
    words = ["/usr/sbin/sshd", "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
    process = subprocess.Popen(far(*words))
    time.sleep(0.7)
    try:
        yield
    finally:
        import psutil

        sessions = psutil.Process(process.pid).children(recursive=True)  # on a line that is gone they would wait
        for left in [process, *sessions]:
            with suppress(psutil.NoSuchProcess):
                left.terminate()
        process.wait()


def make_files(folder: Path, count: int, big_bytes: int) -> None:
    for index in range(count):
        (folder / "small" / f"{index:04d}").mkdir(parents=True)
        (folder / "small" / f"{index:04d}" / "image.png").write_bytes(os.urandom(SMALL_BYTES))
    (folder / "big").mkdir()
    with (folder / "big" / "one.bin").open("wb") as out:
        for offset in range(0, big_bytes, 1 << 20):
            out.write(os.urandom(min(1 << 20, big_bytes - offset)))


# --- the tools -------------------------------------------------------------------------------------------


def others(site: Site, source: Path) -> dict[str, list[str]]:
    """Name → command that brings `source` into the empty folder there."""
    name, to = source.name, shlex.quote(str(site.there))
    return {
        "rsync": ["rsync", "-a", "-e", site.login, str(source), f"{site.address}:{to}/"],
        "tar|ssh": [
            "sh", "-c", f"tar -C {source.parent} -cf - {name} | {site.login} {site.address} 'tar -C {to} -xf -'",
        ],
        "scp": ["scp", "-qr", *shlex.split(site.options), "-P", str(site.port), str(source), f"{site.address}:{to}/"],
        "paramiko SFTP": [sys.executable, __file__, "--one", "sftp", *_where(site), str(source)],
    }  # fmt: skip


def _where(site: Site) -> list[str]:
    return [str(site.folder), site.address, str(site.port)]


def one(tool: str, folder: str, address: str, port: str, source: str) -> None:
    """A transfer in this process; prints what it took as JSON. Python's own start and imports are not in it."""
    site = Site(Path(folder), address, int(port))
    began = time.monotonic()
    path = _sftp(site, Path(source)) if tool == "sftp" else _gonogo(site, Path(source))
    seconds = time.monotonic() - began
    usage = [resource.getrusage(who).ru_maxrss / 1e3 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": seconds, "path": path, "rss_mb": usage[0] + usage[1]}))


def _gonogo(site: Site, source: Path) -> str:
    with connect(site.ssh, Target(root=str(site.there), python=sys.executable), wait=False) as machine:
        return upload(machine, {source.name: source}, ".", lambda done, total: None).path


def _sftp(site: Site, source: Path) -> str:
    import paramiko

    with paramiko.SSHClient() as client:
        client.load_host_keys(str(site.folder / "known_hosts"))
        client.connect(
            site.address,
            site.port,
            key_filename=str(site.folder / "client_key"),
            allow_agent=False,
            look_for_keys=False,
        )
        sftp = client.open_sftp()
        for path in [source, *sorted(source.rglob("*"))]:
            to = str(site.there / path.relative_to(source.parent))
            sftp.mkdir(to) if path.is_dir() else sftp.put(str(path), to)
    return "SFTP"


def timed(site: Site, command: list[str], limit_s: float | None = None) -> dict[str, Any]:
    """Seconds, with what the command said of itself; `limit_s` if it took longer than that."""
    while site.there.exists():  # the far side of a tool that was stopped may write for a moment more
        shutil.rmtree(site.there, ignore_errors=True)
        time.sleep(0.2)
    site.there.mkdir()
    began = time.monotonic()
    process = subprocess.Popen(site.near(*command), stdout=subprocess.PIPE, start_new_session=True)
    try:
        said = process.communicate(timeout=limit_s)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.communicate()
        return {"seconds": limit_s, "stopped": True}
    took = time.monotonic() - began
    if process.returncode:
        sys.exit(f"{shlex.join(command)}: exit code {process.returncode}")
    return json.loads(said) if said.startswith(b"{") else {"seconds": took}


def compare(site: Site, source: Path, against: list[str], rounds: int, agent_rss: AgentMemory) -> dict[str, Any]:
    """Each tool `rounds` times in turn, its best time taken; gonogo's rate over the best of `against`."""
    seconds: dict[str, float] = {}
    path, rss = "", 0.0
    stopped: set[str] = set()
    for _ in range(rounds):
        with agent_rss:
            ours = timed(site, [sys.executable, __file__, "--one", "gonogo", *_where(site), str(source)])
        _check_same(source, site.there / source.name)
        path, rss = ours["path"], max(rss, ours["rss_mb"])
        found = {"gonogo": ours["seconds"]}
        for name, command in others(site, source).items():
            if name in against and name not in stopped:
                took = timed(site, command, PATIENCE_S + PATIENCE_RATIO * ours["seconds"])
                stopped |= {name} if "stopped" in took else set()
                found[name] = took["seconds"]
        seconds = {name: min(took, seconds.get(name, took)) for name, took in found.items()} | {
            name: took for name, took in seconds.items() if name not in found
        }
    ratio = min(seconds[name] for name in against) / seconds["gonogo"]
    return {"seconds": seconds, "ratio": ratio, "path": path, "rss_mb": rss, "stopped": sorted(stopped)}


def _check_same(here: Path, there: Path) -> None:
    if subprocess.run(["diff", "-rq", str(here), str(there)], check=False).returncode:
        sys.exit("what arrived is not what was sent")


class AgentMemory:
    """Largest resident memory of the agents of a site, sampled by /proc while the block runs."""

    def __init__(self) -> None:
        self.peak_mb = 0.0

    def __enter__(self) -> None:
        import threading

        self._end = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._end.set()
        self._thread.join()

    def _sample(self) -> None:
        import psutil

        while not self._end.wait(0.2):
            for process in psutil.process_iter(["cmdline", "memory_info"]):
                words = process.info["cmdline"] or []
                if "agent.pyz" in words and "receive" in words:
                    self.peak_mb = max(self.peak_mb, process.info["memory_info"].rss / 1e6)


# --- what is sent again ----------------------------------------------------------------------------------


def resume_share(site: Site, source: Path) -> float:
    """Bytes on the wire of the second attempt, of the whole, when the line was cut in the middle of the first."""
    total = sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    with through_proxy(site) as (behind, wire):
        wire.cut_after = total // 2
        command = [sys.executable, __file__, "--one", "gonogo", *_where(behind), str(source)]
        first = subprocess.run(command, check=False, capture_output=True)
        if first.returncode == 0:
            sys.exit("the line was cut, and the transfer did not notice")
        wire.mend()
        subprocess.run(command, check=True, capture_output=True)
        _check_same(source, site.there / source.name)
        return wire.up / total


def delta_share(site: Site, source: Path) -> float:
    """Bytes on the wire, of the whole, when 1 % of the files have changed."""
    files = sorted(path for path in source.rglob("*") if path.is_file())
    with through_proxy(site) as (behind, wire):
        command = [sys.executable, __file__, "--one", "gonogo", *_where(behind), str(source)]
        subprocess.run(command, check=True, capture_output=True)
        for path in files[:: len(files) // max(1, len(files) // 100)]:
            path.write_bytes(os.urandom(path.stat().st_size))
        wire.mend()
        subprocess.run(command, check=True, capture_output=True)
        _check_same(source, site.there / source.name)
        return wire.up / sum(path.stat().st_size for path in files)


@contextmanager
def through_proxy(site: Site) -> Iterator[tuple[Site, Any]]:
    shutil.rmtree(site.there, ignore_errors=True)
    site.there.mkdir()
    with proxy(site.port) as wire:
        key = " ".join((site.folder / "host_key.pub").read_text().split()[:2])
        with (site.folder / "known_hosts").open("a") as known:
            known.write(f"[127.0.0.1]:{wire.port} {key}\n")
        yield Site(site.folder, "127.0.0.1", wire.port), wire


# --- the whole -------------------------------------------------------------------------------------------


def measure(folder: Path, quick: bool, only: Sequence[str], rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {"seconds": {}, "path": {}, "stopped": {}}
    memory, rss = AgentMemory(), 0.0
    everyone = ["rsync", "tar|ssh", "scp", "paramiko SFTP"]

    def take(key: str, site: Site, data: Path, best_of: list[str], rounds: int) -> None:
        nonlocal rss
        if key not in only:
            return
        result = compare(site, data, best_of, rounds, memory)
        found[f"{key}_ratio"] = result["ratio"]
        for name in ("seconds", "path", "stopped"):
            found[name][key] = result[name]
        rss = max(rss, result["rss_mb"])
        show(key, result)

    near, far = folder / "lan", folder / "wan"
    make_files(far, *((50, 16_000_000) if quick else (500, 128_000_000)))
    keys = folder / "keys"
    keys.mkdir()
    port = 22_000 + os.getpid() % 10_000
    if {*only} & {*LAN}:
        make_files(near, *((400, 100_000_000) if quick else (4000, 1_000_000_000)))
        with server(keys, "127.0.0.1", port, lambda *words: list(words)):
            site = Site(keys, "127.0.0.1", port)
            for kind in ("small", "big"):
                take(f"{kind}_lan", site, near / kind, everyone, rounds)
            for key, share, kind in (("resume_share", resume_share, "big"), ("delta_share", delta_share, "small")):
                if key in only:
                    found[key] = share(site, near / kind)
    why_not = impossible()
    if why_not:
        print(f"no emulated line: {why_not}")
    for name, loss, best_of in (("wan", 0.0, everyone), ("lossy", 0.1, ["rsync"])) if not why_not else ():
        if {*only} & {f"small_{name}", f"big_{name}"}:
            with line(50, 200, loss) as made, server(keys, FAR_IP, port, made.far):
                site = Site(keys, FAR_IP, port, made.near)
                for kind in ("small", "big"):
                    take(f"{kind}_{name}", site, far / kind, best_of, 1 if loss else rounds)
    found["max_rss_mb"] = max(rss, memory.peak_mb)
    return found


def show(key: str, result: dict[str, Any]) -> None:
    print(f"\n{key}: {result['ratio']:.2f} × the best other   ({result['path']})")
    for name, seconds in sorted(result["seconds"].items(), key=lambda pair: pair[1]):
        print(f"  {name:15s} {seconds:7.2f} s{'   stopped, not done' if name in result['stopped'] else ''}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, once")
    parser.add_argument("--only", nargs="+", choices=LINES, default=LINES, metavar="LINE", help=", ".join(LINES))
    parser.add_argument("--rounds", type=int, help=f"times that each tool is run in turn; {ROUNDS}")
    parser.add_argument("--one", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(*args.one)
        return
    missing = [tool for tool in ("rsync", "scp", "ssh", "/usr/sbin/sshd") if shutil.which(tool) is None]
    if missing:
        sys.exit(f"{missing[0]} is not installed, and it is what gonogo is compared with")
    with tempfile.TemporaryDirectory(prefix="gonogo-transfer-") as folder:
        found = measure(Path(folder), args.quick, args.only, args.rounds or (1 if args.quick else ROUNDS))
    for key in ("resume_share", "delta_share", "max_rss_mb"):
        if found.get(key):
            print(f"{key} {found[key]:.3f}")
    if args.json:
        save(args.json, found)


if __name__ == "__main__":
    main()
