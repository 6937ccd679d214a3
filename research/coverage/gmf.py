"""What the GMF paper shows."""

from __future__ import annotations

from research.coverage.row import Paper, Row

_FUSED = ["concat", "gmf", "avoid-df", "misa", "uavm", "drfuse", "mbt", "perceiver", "g-concat", "g-mbt", "g-perceiver"]

GMF = Paper(
    "GMF",
    (
        Row(
            "Table 1",
            "number of parameters and operations of a fusion",
            commands=("crosswire count gmf --dims 512,512",),
        ),
        Row("Figures 1 to 7", "the method", ("events-gmf",)),
        Row(
            "Table 2",
            "VGGSound: fusions, each modality alone; sizes and times",
            tuple(f"vggsound-{name}" for name in (*_FUSED, "audio", "video")),
            ("missing", "front-ends", "gmf"),
            ("crosswire count gmf --dims 512,512", "python -m benchmarks.fusion"),
            lacks="own runs of one modality as extractors (`network.audio.weights` takes files); the printed sizes in "
            "`research table`; times of more than three fusions",
        ),
        Row(
            "Table 3",
            "ActivityNet: retrieval; sizes",
            ("activitynet-*",),
            commands=("crosswire count gmf --dims 4096,128",),
            lacks="CLIP, METER, Perceiver, APIVR and MAP-IVR, and the printed sizes in `research table`",
        ),
        Row(
            "Tables 4 and 7",
            "FakeAVCeleb, with each modality alone",
            tuple(f"fakeavceleb-{name}" for name in (*_FUSED, "audio", "video", "gmf-mae")),
            ("missing",),
            lacks="the extractors sLSTM, ConvNeXt and ViT of MISA, UAVM and AVoiD-DF; Joint-AV, VFD, Emo-Foren and "
            "MDS, whose figures the paper copies",
        ),
        Row(
            "Theorem 3.2, Figures 8 to 10",
            "number of features",
            studies=("width",),
            lacks="CIFAR, MobileNet and ViT: a ResNet-18 on procedural sounds stands for them",
        ),
        Row(
            "Theorem 3.3, Figure 11",
            "features mapped to more and back",
            studies=("lifting",),
            lacks="ImageNet's features: those of procedural sounds stand for them",
        ),
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
