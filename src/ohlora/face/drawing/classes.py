"""The eleven classes of a label map, and the colours they are shown in.

Ids are those of the original project (and of the parser it used). Left and right are the picture's, not the
person's: 4 is the eye with the smaller x. Neck, ears and clothes are background.
"""

from __future__ import annotations

BACKGROUND, SKIN, LEFT_BROW, RIGHT_BROW, LEFT_EYE, RIGHT_EYE = range(6)
NOSE, UPPER_LIP, INNER_MOUTH, LOWER_LIP, HAIR = range(6, 11)

CLASSES = (
    "background",
    "skin",
    "left_brow",
    "right_brow",
    "left_eye",
    "right_eye",
    "nose",
    "upper_lip",
    "inner_mouth",
    "lower_lip",
    "hair",
)

PALETTE = (
    (44, 48, 58),
    (244, 200, 170),
    (170, 110, 60),
    (205, 150, 80),
    (70, 150, 230),
    (90, 205, 235),
    (235, 160, 120),
    (230, 80, 110),
    (120, 20, 50),
    (250, 130, 150),
    (130, 90, 190),
)
