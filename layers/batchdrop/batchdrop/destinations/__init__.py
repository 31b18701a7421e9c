"""The registry of destinations. One line each; a destination is imported only when a route names it."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from batchdrop.destinations.base import Destination

REGISTRY = {
    "datagroup": "batchdrop.destinations.datagroup:DataGroup",
    "haplo": "batchdrop.destinations.haplo:Haplo",
    "mediarithmics": "batchdrop.destinations.mediarithmics:Mediarithmics",
    "ometria": "batchdrop.destinations.ometria:Ometria",
    "sherpa": "batchdrop.destinations.sherpa:Sherpa",
}


def destination(name: str) -> Destination:
    """The destination of this name; KeyError if there is none."""
    module, _, attribute = REGISTRY[name].partition(":")
    return cast("Destination", getattr(import_module(module), attribute)())
