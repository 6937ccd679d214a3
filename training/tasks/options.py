"""Settings with the same choices in more than one task."""

from __future__ import annotations

from typing import Annotated

from crosswire.contract.fields import Choice, Range

#: What streams can do to each other at the exchange points; the first is nothing.
RULES = ("none", "exchange", "discard", "random", "fixed", "sum", "gate", "cbn")
#: What can stand between stages of the encoder.
STAGE_FUSIONS = ("concat", "average", "align", "attention")
WHERE = ("early", "middle", "late", "all")
SETTINGS = ("same", "common")
PENALISED = ("auto", "half", "all", "none")
EVAL_SIZES = ("full", "resize", "crop")

FusionName = Annotated[str, Choice((*RULES, *STAGE_FUSIONS))]
Where = Annotated[str, Choice(WHERE)]
Setting = Annotated[str, Choice(SETTINGS)]
Penalised = Annotated[str, Choice(PENALISED)]
EvalSize = Annotated[str, Choice(EVAL_SIZES)]
Portion = Annotated[float, Range(above=0, most=1, noun="a share of the channels")]
