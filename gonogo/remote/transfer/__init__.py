"""Files to and from the machine: verified, resumable, over as many connections as pay."""

from gonogo.remote.transfer.checkpoints import Saved, fetching_checkpoints
from gonogo.remote.transfer.common import Transfer, shown_missing
from gonogo.remote.transfer.downloads import download
from gonogo.remote.transfer.landing import note_known_there, note_reported, was_reported, without_the_machine
from gonogo.remote.transfer.retry import persistently
from gonogo.remote.transfer.throughput import ThroughputMeter
from gonogo.remote.transfer.uploads import upload
from gonogo.remote.transfer.verification import verify

__all__ = [
    "Saved",
    "ThroughputMeter",
    "Transfer",
    "download",
    "fetching_checkpoints",
    "note_known_there",
    "note_reported",
    "persistently",
    "shown_missing",
    "upload",
    "verify",
    "was_reported",
    "without_the_machine",
]
