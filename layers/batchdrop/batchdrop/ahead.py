"""Making the next thing while the last one is being used."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from batchdrop.parcels import Parcel


def ahead(parcels: Iterator[Parcel]) -> Iterator[Parcel]:
    """The same parcels, each packaged while the one before it is being uploaded: at most two exist at a time."""
    with ThreadPoolExecutor(1, "packaging") as pool:
        coming: Future[Parcel | None] | None = pool.submit(next, parcels, None)
        try:
            while coming is not None and (parcel := coming.result()) is not None:
                coming = None if parcel.last else pool.submit(next, parcels, None)
                yield parcel
        finally:
            _discard(coming)


def _discard(coming: Future[Parcel | None] | None) -> None:
    """Whoever stops early leaves a parcel behind: its file must not stay open."""
    if coming is None or coming.cancel() or coming.exception() is not None:
        return
    parcel = coming.result()
    if parcel is not None and parcel.payload is not None:
        parcel.payload.close()
