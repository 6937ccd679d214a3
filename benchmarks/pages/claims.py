"""What the papers claim and nothing here can test, with the reason."""

from __future__ import annotations

#: Claim, source, why it cannot be tested here.
UNTESTED = (
    ("51.1 mIoU on NYUv2 with RefineNet-101, 52.5 with PSPNet-152", "CEN, Table 3", "needs NYUv2 and ImageNet weights"),
    ("49.6 mIoU on SUN RGB-D with RefineNet-101", "CEN, Table 3", "needs SUN RGB-D and ImageNet weights"),
    (
        "FID and KID of image translation on Taskonomy",
        "CEN, Tables 4 to 6, 8 and 9",
        "needs Taskonomy and Inception weights",
    ),
    (
        "60.94 FID with a weighted sum of the exchanged channels, 60.90 with their mean",
        "CEN, response to the reviewers",
        "needs Taskonomy and Inception weights",
    ),
    ("31.64 % accuracy on VGGSound with 5.25 M parameters", "GMF, Table 2", "needs VGGSound; the size is counted"),
    ("91.88 AUC on FakeAVCeleb", "GMF, Table 4", "needs FakeAVCeleb"),
    ("99.97 AUC on FakeAVCeleb with masked auto-encoders", "GMF, Table 4", "needs FakeAVCeleb; no size is published"),
    ("mAP on ActivityNet features", "GMF, Table 3", "needs the features; the sizes are counted"),
)
