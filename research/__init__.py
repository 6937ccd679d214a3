"""The papers' claims and published figures, from a checkout: `python -m research study|table|group`."""
