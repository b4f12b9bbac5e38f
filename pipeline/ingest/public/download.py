"""One published file onto this machine: whole, checked against its checksum, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import InputError
from pipeline.ingest.public.cache import CACHE, cache_folder

_TIMEOUT = 30.0  # seconds without a byte
_CHUNK = 1 << 16  # bytes written at a time

Progress = Callable[[str, int, int], None]


def download(url: str, path: Path, sha256: str | None, progress: Progress) -> bool:
    """Download a file, unless it is there already.

    A file that is there and has the checksum (or for which none is known) is kept, and no
    network is needed. The download is written aside, checked, and then moved into place.

    Parameters
    ----------
    url : str
        Where the file is published.
    path : Path
        Where it goes.
    sha256 : str or None
        Checksum that it must have.
    progress : callable
        ``progress(file name, bytes done, bytes in all)``; 0 in all where the server does
        not say.

    Returns
    -------
    bool
        Whether anything was downloaded.

    Raises
    ------
    InputError
        If the file cannot be had whole, has another checksum, or cannot be written.
    """
    import pooch  # requests, which comes with it, is needed only here
    from requests.exceptions import RequestException

    pooch.get_logger().setLevel("ERROR")
    bar = _Bar(path.name, progress)
    by_hand = f"save the file by hand as {path}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pooch.retrieve(
            url,
            known_hash=sha256 and f"sha256:{sha256}",
            fname=path.name,
            path=path.parent,
            downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT),
        )
    except RequestException as error:
        problem, mend = _network_fault(error, begun=bar.begun)
        raise InputError(problem, file=url, mend=f"{mend}, or {by_hand}") from None
    except OSError as error:
        raise cannot_write(error) from None
    except ValueError:  # pooch's word for another checksum
        raise InputError(
            "has another checksum than recorded: the published file has changed, or something "
            "between here and there changed it; it was not kept",
            file=url,
            expected=f"SHA-256 {sha256}",
            mend="fetch from another network; where the change is known and meant, put the new "
            "checksum into the registry",
        ) from None
    return bar.begun


def cannot_write(error: OSError) -> InputError:
    """Say that the cache cannot be written, and how to choose another."""
    reason = os.strerror(error.errno) if error.errno else "Permission denied"
    return InputError(
        f"cannot be written ({reason})",
        file=cache_folder(),
        mend=f"check free space and permissions there, or set {CACHE} to another folder",
    )


def _network_fault(error: Exception, begun: bool) -> tuple[str, str]:
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError):
        status = getattr(error.response, "status_code", 0)
        if status < 500:
            return f"the server refuses it (HTTP status {status})", "check the address"
        return f"the server fails (HTTP status {status})", "try again later"
    if isinstance(error, exceptions.SSLError):
        return "the server's certificate cannot be trusted", "check clock, proxy and certificates"
    if begun:
        return "the connection ended before the file did; nothing was kept", "run it again"
    return "cannot be reached", "check the network and its proxy (HTTPS_PROXY)"


class _Bar:
    """What pooch takes for a progress bar."""

    def __init__(self, name: str, progress: Progress) -> None:
        self.name, self.progress = name, progress
        self.begun, self.done, self._total = False, 0, 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, total: int) -> None:
        self.begun, self._total = True, total

    def update(self, size: int) -> None:
        # Told of whole chunks, of which the last is shorter, and of unpacked bytes.
        self.done = min(self.done + size, self._total or self.done + size)
        self.progress(self.name, self.done, self._total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        """Leave the display as it is: it belongs to the caller."""
