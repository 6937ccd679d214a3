"""What training is compared with, for real: `make soak`."""

from __future__ import annotations

import numpy as np

from tests.reference.spectrograms import computed, kept


def test_librosa_computes_what_is_kept_of_it() -> None:
    found = computed()
    for name, values in kept().items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)
