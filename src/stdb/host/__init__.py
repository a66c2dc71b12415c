"""Many databases in a directory: names, identities, publishing, deleting."""

from .host import Host, default_directory
from .hosted import HostedDatabase, Published
from .names import check_name

__all__ = ["Host", "HostedDatabase", "Published", "check_name", "default_directory"]
