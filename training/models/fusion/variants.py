"""The papers' ablations and baselines by name, each as what it changes in a `NetworkConfig`.

Sources: 000_c752b8d879d89ce8.txt, Table A; 001_e1b2dc5bb402bd11.txt, section 4.1; 002_aa41f67a09fe60b8.txt, Table 7;
003_e01c86a338b7627d.txt, Table 2.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from training.config import SETTINGS, STAGE_FUSIONS, WHERE, ConfigError, NetworkConfig

_UNSHARED = {"share_convs": False}
_L1_ALL = {"penalise": "all", "restrict": False}

#: What is changed at the exchange points or in the place of the ensemble.
ABLATIONS: dict[str, dict[str, Any]] = {
    "exchange": {},
    "exchange-unshared": _UNSHARED,
    "exchange-all": _L1_ALL,
    "exchange-all-unshared": {**_L1_ALL, **_UNSHARED},
    "l1": {"fusion": "none", "penalise": "half"},
    "l1-unshared": {"fusion": "none", "penalise": "half", **_UNSHARED},
    "l1-all": {"fusion": "none", "penalise": "all"},
    "l1-all-unshared": {"fusion": "none", "penalise": "all", **_UNSHARED},
    "none": {"fusion": "none"},
    "none-unshared": {"fusion": "none", **_UNSHARED},
    "none-shared-norms": {"fusion": "none", "share_norms": True},
    "fixed": {"fusion": "fixed"},
    "fixed-strided": {"fusion": "fixed", "points": "strided"},
    "random": {"fusion": "random"},
    "discard": {"fusion": "discard"},
    "sum": {"fusion": "sum"},
    "gate": {"fusion": "gate"},
    "cbn": {"fusion": "cbn"},
    "cbn-unshared": {"fusion": "cbn", **_UNSHARED},
    "concat-decision": {"ensemble": "concat"},
}

#: What stands between stages of the encoder; the name is `fusion-where-setting`.
BASELINES: dict[str, dict[str, Any]] = {
    f"{fusion}-{where}-{setting}": {"fusion": fusion, "where": where, "setting": setting}
    for setting in SETTINGS
    for fusion in STAGE_FUSIONS
    for where in WHERE
}

VARIANTS = {**ABLATIONS, **BASELINES}


def variant(config: NetworkConfig, name: str) -> NetworkConfig:
    """Return a network changed into one of the `VARIANTS`.

    Raises:
        ConfigError: an unknown name, with those that exist.
    """
    if name not in VARIANTS:
        raise ConfigError(f"fusion variant {name!r} is unknown; there are: {', '.join(VARIANTS)}")
    return dataclasses.replace(config, **VARIANTS[name])
