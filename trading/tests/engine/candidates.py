"""Synthetic labeled candidates for the tests of learning: rows whose odds are known."""

import numpy as np

N_FEATURES = 10


def labeled(seed: int, n: int = 600, missing: float = 0.1):
    """Rows in order of time and whether each won; the first three features decide."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, N_FEATURES))
    odds = 1.2 * features[:, 0] - 0.6 * features[:, 1] * features[:, 2]
    labels = rng.random(n) < 1.0 / (1.0 + np.exp(-odds))
    features[rng.random(features.shape) < missing] = np.nan
    return features, labels


def rows(seed: int, n: int = 300, missing: float = 0.2):
    """Rows without labels, also far outside what training saw."""
    rng = np.random.default_rng(seed)
    features = 3.0 * rng.standard_normal((n, N_FEATURES))
    features[rng.random(features.shape) < missing] = np.nan
    return features
