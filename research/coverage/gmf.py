"""What the GMF paper shows."""

from __future__ import annotations

from research.coverage.row import Paper, Row

_TABLE = "python -m research table"
_FUSED = ["concat", "gmf", "avoid-df", "misa", "uavm", "drfuse", "mbt", "perceiver", "g-concat", "g-mbt", "g-perceiver"]

GMF = Paper(
    "GMF",
    (
        Row(
            "Table 1",
            "number of parameters and operations of a fusion",
            commands=("crosswire count gmf --dims 512,512", _TABLE),
        ),
        Row("Figures 1 to 7", "the method", ("events-gmf",)),
        Row(
            "Table 2",
            "VGGSound: ten fusions, extractors trained or frozen, each modality alone; sizes and times",
            tuple(f"vggsound-{name}" for name in (*_FUSED, "audio", "video")),
            ("missing", "front-ends", "gmf"),
            (_TABLE, "python -m benchmarks.fusion"),
        ),
        Row("Table 3", "ActivityNet: retrieval and its comparators; sizes", ("activitynet-*",), commands=(_TABLE,)),
        Row(
            "Tables 4 and 7",
            "FakeAVCeleb, with each modality alone",
            tuple(f"fakeavceleb-{name}" for name in (*_FUSED, "audio", "video", "gmf-mae")),
            ("missing",),
            note="Joint-AV, VFD, Emo-Foren and MDS: the paper copies their figures, they are not built",
        ),
        Row("Theorem 3.2, Figures 8 to 10", "number of features", studies=("width",)),
        Row("Theorem 3.3, Figure 11", "features mapped to more and back", studies=("lifting",)),
        Row("Figure 12", "what GMF gives to others", ("events-g-*",), ("front-ends",)),
        Row("Tables 5 and 6", "how the networks are trained", commands=("crosswire presets vggsound-gmf",)),
        Row("Figure 13", "GMF before another fusion", ("*-g-mbt", "*-g-perceiver", "*-g-concat"), ("front-ends",)),
        Row(
            "Figure 14, appendix I",
            "auto-encoders whose decoders exchange invariant parts",
            ("events-gmf-mae", "events-gmf-ae", "fakeavceleb-gmf-mae"),
        ),
        Row(
            "On procedural clips",
            "every fusion and every modality alone",
            tuple(f"events-{name}" for name in (*_FUSED, "audio", "video")),
        ),
    ),
)
