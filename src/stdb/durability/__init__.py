"""What was committed is there after a crash: the commit log, and recovery from it.

Files are SpacetimeDB's own, so that its tools and ours can read each other's data.
"""

from .backup import backup
from .following import LogFollower, LogMoved
from .history import Chronicle, LoggedTransaction, RowChanges, history
from .lock import DirectoryLock
from .log import Log, Mode, check_mode
from .progress import ProgressBar
from .recorder import Call, Recorder
from .recovery import LOG_DIRECTORY, Recovered, Recovery, as_path, fill, log_directory, recover
from .repair import Repair, repair
from .segments import Tail
from .snapshotting import SnapshotOptions, Snapshots, Usage, usage
from .stored import StoredTable, stored_tables, stored_views
from .transactions import BadTransaction, Mutations, transactions
from .writer import LogWriter

__all__ = [
    "LOG_DIRECTORY",
    "BadTransaction",
    "Call",
    "Chronicle",
    "DirectoryLock",
    "Log",
    "LogFollower",
    "LogMoved",
    "LogWriter",
    "LoggedTransaction",
    "Mode",
    "Mutations",
    "ProgressBar",
    "Recorder",
    "Recovered",
    "Recovery",
    "Repair",
    "RowChanges",
    "SnapshotOptions",
    "Snapshots",
    "StoredTable",
    "Tail",
    "Usage",
    "as_path",
    "backup",
    "check_mode",
    "fill",
    "history",
    "log_directory",
    "recover",
    "repair",
    "stored_tables",
    "stored_views",
    "transactions",
    "usage",
]
