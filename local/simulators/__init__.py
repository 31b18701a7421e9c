"""Strict simulators of the five vendors: real HTTP servers on loopback, one a destination.

In process: `with ALL["sherpa"]() as sim: sim.url`. On their own: `python -m local.simulators --ports-file FILE`.
"""

from __future__ import annotations

from typing import Any

from local.simulators.datagroup import DataGroupSimulator
from local.simulators.haplo import HaploSimulator
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.ometria import OmetriaSimulator
from local.simulators.server import Simulator
from local.simulators.sherpa import SherpaSimulator

ALL: dict[str, type[Simulator[Any]]] = {
    "datagroup": DataGroupSimulator,
    "haplo": HaploSimulator,
    "mediarithmics": MediarithmicsSimulator,
    "ometria": OmetriaSimulator,
    "sherpa": SherpaSimulator,
}
