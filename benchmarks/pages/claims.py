"""What the papers claim and nothing here can test, with the reason."""

from __future__ import annotations

#: Claim, source, why it cannot be tested here.
UNTESTED = (
    ("51.1 mIoU on NYUv2 with RefineNet-101, 52.5 with PSPNet-152", "001, Table 3", "needs NYUv2 and ImageNet weights"),
    ("49.6 mIoU on SUN RGB-D with RefineNet-101", "001, Table 3", "needs SUN RGB-D and ImageNet weights"),
    ("FID and KID of image translation on Taskonomy", "001, Tables 4 to 6", "needs Taskonomy and Inception weights"),
    ("31.64 % accuracy on VGGSound with 5.25 M parameters", "004, Table 2", "needs VGGSound; the size is counted"),
    ("91.88 AUC on FakeAVCeleb", "004, Table 4", "needs FakeAVCeleb"),
    ("mAP on ActivityNet features", "004, Table 3", "needs the features; the sizes are counted"),
)
