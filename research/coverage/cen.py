"""What the CEN papers show: the NeurIPS paper with its supplement and the authors' response, and the journal paper."""

from __future__ import annotations

from research.coverage.row import Paper, Row

_TABLE = "python -m research table"
_REPORT = "crosswire report RUN"
_COMPARED = tuple(f"nyuv2-refinenet101-{fusion}-*" for fusion in ("concat", "average", "align", "attention"))
_VERSIONS = ("nyuv2-refinenet101-?u*", "nyuv2-refinenet101-ss")
_BEST = ("nyuv2-refinenet101", "nyuv2-refinenet152", "nyuv2-pspnet152")
_SUN = ("sunrgbd-refinenet101", "sunrgbd-refinenet152", "sunrgbd-pspnet152")
_ALONE = ("nyuv2-*-rgb", "nyuv2-*-depth", "sunrgbd-*-rgb", "sunrgbd-*-depth")
_SHARED_NORMS = ("taskonomy-*-norms-affine", "taskonomy-*-norms-statistics", "taskonomy-*-norms-shared")
_PAIRS = "fusion baselines of other pairs than shade and texture as presets"
_SENSITIVE = "the papers' ranges, and translations"
_TO_RGB = "taskonomy-shade-texture-rgb"

RESPONSE = Paper(
    "The CEN authors' response to the reviewers",
    (
        Row(
            "Table A",
            "summing, soft gate, CBN, concatenation as the ensemble",
            (
                "nyuv2-refinenet101-sum",
                "nyuv2-refinenet101-gate",
                "nyuv2-refinenet101-*-cbn",
                "nyuv2-refinenet101-concat-ensemble",
            ),
            ("exchange",),
        ),
        Row(
            "Figure A",
            "upper layers exchange more",
            ("nyuv2-refinenet101",),
            commands=(_REPORT,),
            note="`exchanged_per_layer.png`",
        ),
        Row(
            "To reviewers 1 and 2",
            "a fixed 30 %, random subsets, channels discarded",
            (
                "nyuv2-refinenet101-su-fixed",
                "nyuv2-refinenet101-su-random",
                "nyuv2-refinenet101-su-strided",
                "nyuv2-refinenet101-discard",
            ),
            ("exchange",),
        ),
        Row(
            "To reviewer 2",
            "a weighted sum of channels instead of their mean",
            ("taskonomy-depth-normal-texture-rgb-weighted",),
        ),
    ),
)

NEURIPS = Paper(
    "CEN, NeurIPS 2020, with its supplement",
    (
        Row("Figures 1 and 2", "the networks", ("rooms-cen",), commands=("crosswire count refinenet101",)),
        Row("Table 1", "convolutions and norms shared or not, L1, exchange", _VERSIONS, ("exchange",)),
        Row("Table 2", "concatenation, alignment, self-attention; sizes", _COMPARED, ("fusion",), (_TABLE,)),
        Row("Table 3", "NYUv2 and SUN RGB-D", (*_BEST, *_SUN, *_ALONE, "sunrgbd-refinenet101-*"), commands=(_TABLE,)),
        Row(
            "Figure 3", "averaged feature maps", ("nyuv2-refinenet101",), commands=(_REPORT,), note="`feature_maps.png`"
        ),
        Row(
            "Tables 4 and 6",
            "translation of two inputs, and fusion baselines",
            (_TO_RGB, f"{_TO_RGB}-*", "taskonomy-depth-normal-rgb*", "taskonomy-rgb-*"),
            ("translation",),
            lacks=_PAIRS,
        ),
        Row(
            "Table 5",
            "one to four inputs",
            (
                "taskonomy-depth-rgb",
                "taskonomy-normal-rgb",
                "taskonomy-texture-rgb",
                "taskonomy-shade-rgb",
                "taskonomy-depth-normal-rgb",
                "taskonomy-depth-normal-texture*-rgb",
            ),
            ("modalities",),
        ),
        Row("Figure 4", "Theorem 1", studies=("theory",)),
        Row("Figure 5", "γ over the training", ("nyuv2-refinenet101",), ("theory",), (_REPORT,)),
        Row("Corollary 1", "a replaced channel leaves no trace", studies=("theory",)),
        Row("Table 7", "more versions of Table 1", _VERSIONS, ("exchange",)),
        Row(
            "Table 8", "shared and private convolutions and norms", (*_SHARED_NORMS, f"{_TO_RGB}-unshared"), ("norms",)
        ),
        Row("Table 9", "which part of a norm is private", _SHARED_NORMS, ("norms",)),
        Row("Figure 6", "segmentations", (*_BEST, *_SUN), commands=(_REPORT,), note="`decisions.png`"),
        Row("Figure 7", "segmentations of Cityscapes", ("cityscapes-*",), commands=(_REPORT,)),
        Row("Figures 8 to 10", "translations", (f"{_TO_RGB}*", "taskonomy-rgb-*"), commands=(_REPORT,)),
        Row(
            "Figures 11 and 12",
            "proportions of γ with three inputs",
            ("taskonomy-shade-texture-depth-rgb*",),
            commands=(_REPORT,),
            note="`gamma_proportions.png`",
        ),
        Row("Figure 13", "sensitivity to λ and θ", studies=("sensitivity",), lacks=_SENSITIVE),
    ),
)

JOURNAL = Paper(
    "CEN, journal paper",
    (
        Row(
            "Figures 1 and 2",
            "fusion, cycle, multitask, both",
            ("rooms-translate*", "rooms-multitask*", "taskonomy-cycle-*", "taskonomy-both-*"),
        ),
        Row("Table 1", "versions of CEN", _VERSIONS, ("exchange",)),
        Row("Figures 3 and 4", "feature maps and segmentations", (*_BEST, *_SUN), commands=(_REPORT,)),
        Row("Table 2", "fusion baselines and their sizes", _COMPARED, ("fusion",), (_TABLE,)),
        Row("Table 3", "NYUv2 and SUN RGB-D", (*_BEST, *_SUN, *_ALONE, "sunrgbd-refinenet101-*")),
        Row(
            "Table 4",
            "translation, and fusion baselines",
            (_TO_RGB, f"{_TO_RGB}-*", "taskonomy-depth-normal-rgb*", "taskonomy-rgb-*"),
            ("translation",),
            lacks=_PAIRS,
        ),
        Row("Table 5", "one to four inputs", ("taskonomy-*-rgb",), ("modalities",)),
        Row(
            "Table 6",
            "cycles; sizes",
            ("taskonomy-cycle-*",),
            ("cycle",),
            (_TABLE,),
            lacks="presets of the cycles with curvature, and of depth, normal and shade",
        ),
        Row(
            "Table 7",
            "two tasks, cross-task consistency; sizes",
            ("taskonomy-multitask-*", "rooms-multitask*"),
            ("multitask", "consistency"),
            (_TABLE,),
            lacks="presets of normal and curvature, shade and texture, and from normal; consistency both ways",
        ),
        Row(
            "Table 8",
            "three tasks, AdaShare, TaskGrouping; sizes",
            ("taskonomy-multitask-*", "rooms-multitask-adashare"),
            ("grouping",),
            (_TABLE, "python -m research group taskonomy-multitask-rgb-three --encoders 2"),
        ),
        Row("Table 9", "several inputs and outputs", ("taskonomy-both-*",), ("both",), (_TABLE,)),
        Row(
            "Figures 5, 6 and 9",
            "translations",
            ("taskonomy-*",),
            commands=(_REPORT,),
            note="`pictures.png`",
            lacks="several runs side by side",
        ),
        Row("Figure 7, Theorem 1", "γ = 0 attracts", studies=("theory",)),
        Row("Figure 8", "γ over the training", ("nyuv2-refinenet101",), ("theory",), (_REPORT,)),
        Row("Table 10", "which part of a norm is private", _SHARED_NORMS, ("norms",)),
        Row(
            "Table 11", "shared and private convolutions and norms", (*_SHARED_NORMS, f"{_TO_RGB}-unshared"), ("norms",)
        ),
        Row(
            "Figure 10",
            "proportions of γ with three inputs",
            ("taskonomy-shade-texture-depth-rgb*",),
            commands=(_REPORT,),
            note="`gamma_proportions.png`",
        ),
        Row("Figure 11", "sensitivity to λ and θ", studies=("sensitivity",), lacks=_SENSITIVE),
        Row("The official code", "what it does otherwise than the papers", ("*-official",)),
    ),
)
