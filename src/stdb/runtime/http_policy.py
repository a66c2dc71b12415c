"""Which requests the procedures of a database may send."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Final

import msgspec

from ..errors import TypeMismatch, shorten


class HttpPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests the procedures of a database may send: ``Database(…, http=HttpPolicy(…))``.

    Attributes
    ----------
    hosts : tuple of str or None
        The hosts that may be asked: names, addresses, or patterns such as ``"*.example.org"``. Any
        when None, none when empty.
    allow_private : bool
        Whether addresses of the own machine or network may be asked.
    timeout : float
        Seconds from the look-up of the name to the last byte, when a request says nothing.
    size_max : int
        The largest body of a response, in bytes.

    Examples
    --------
    >>> import stdb
    >>> stdb.HttpPolicy(hosts=("api.weather.gov",)).allows("api.weather.gov")
    True
    """

    hosts: tuple[str, ...] | None = None
    allow_private: bool = False
    timeout: float = 30.0
    size_max: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        hosts: Any = self.hosts
        is_list = isinstance(hosts, tuple | list | set | frozenset)
        if hosts is not None and not (is_list and all(isinstance(host, str) for host in hosts)):
            raise TypeMismatch(f"hosts is a tuple of str or None, not {shorten(self.hosts)}")
        if self.hosts is not None:
            msgspec.structs.force_setattr(self, "hosts", tuple(h.lower() for h in self.hosts))
        if not self.timeout > 0 or not self.size_max > 0:
            raise TypeMismatch("timeout and size_max are more than 0")

    def allows(self, host: str) -> bool:
        """Return whether a host may be asked, as far as its name goes."""
        if self.hosts is None:
            return True
        return any(fnmatchcase(host.lower().rstrip("."), pattern) for pattern in self.hosts)


NO_HTTP: Final = HttpPolicy(hosts=())


def as_policy(http: Any) -> HttpPolicy:
    """Return the policy that ``Database(http=…)`` was given."""
    if isinstance(http, HttpPolicy):
        return http
    if http is True:
        return HttpPolicy()
    if http is False:
        return NO_HTTP
    raise TypeMismatch(f"http is a stdb.HttpPolicy, True or False, not {shorten(http)}", got=http)
