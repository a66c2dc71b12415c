"""What was committed is there after a crash: the commit log, and recovery from it.

Files are SpacetimeDB's own, so that its tools and ours can read each other's data.
"""

from .lock import DirectoryLock
from .log import Log, Mode, check_mode
from .recorder import Call, Recorder
from .recovery import Recovered, Recovery, as_path, fill, log_directory, recover
from .repair import Repair, repair
from .snapshotting import SnapshotOptions, Snapshots, Usage, usage
from .writer import LogWriter

__all__ = [
    "Call",
    "DirectoryLock",
    "Log",
    "LogWriter",
    "Mode",
    "Recorder",
    "Recovered",
    "Recovery",
    "Repair",
    "SnapshotOptions",
    "Snapshots",
    "Usage",
    "as_path",
    "check_mode",
    "fill",
    "log_directory",
    "recover",
    "repair",
    "usage",
]
