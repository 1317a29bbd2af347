"""Slow, obvious versions of the kernels: what the compiled ones must equal."""

import math

import numpy as np


def windows(values, window):
    return [None if i < window - 1 else values[i - window + 1 : i + 1] for i in range(len(values))]


def over(values, window, function):
    return np.array(
        [
            math.nan if part is None or np.isnan(part).any() else function(part)
            for part in windows(values, window)
        ],
        dtype=float,
    )


def sma(values, window):
    return over(values, window, np.mean)


def deviation(values, window):
    return over(values, window, np.std)


def rolling_max(values, window):
    return over(values, window, np.max)


def rolling_min(values, window):
    return over(values, window, np.min)


def ema(values, window):
    out = np.full(len(values), np.nan)
    for i in range(window - 1, len(values)):
        first = np.mean(values[:window])
        out[i] = (
            first if i == window - 1 else out[i - 1] + (values[i] - out[i - 1]) * 2 / (window + 1)
        )
    return out


def wilder(values, window, first):
    out = np.full(len(values), np.nan)
    for i in range(first + window - 1, len(values)):
        seed = np.mean(values[first : first + window])
        out[i] = seed if i == first + window - 1 else out[i - 1] + (values[i] - out[i - 1]) / window
    return out


def rsi(values, window, still=0.0):
    change = np.diff(values, prepend=np.nan)
    gain = wilder(np.where(np.isnan(change), change, np.maximum(change, 0)), window, 1)
    loss = wilder(np.where(np.isnan(change), change, np.maximum(-change, 0)), window, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(gain + loss == 0, still, 100 * gain / (gain + loss))


def atr(high, low, close, window):
    before = np.concatenate(([np.nan], close[:-1]))
    spans = np.stack([high - low, np.abs(high - before), np.abs(low - before)])
    return wilder(np.max(spans, axis=0, initial=-np.inf), window, 1)


def ewma_volatility(returns, alpha, scale):
    out = np.full(len(returns), np.nan)
    for i in range(len(returns)):
        if not np.isnan(returns[i]):
            seen = [r for r in returns[: i + 1] if not np.isnan(r)]
            weights = (1 - alpha) ** np.arange(len(seen))[::-1]
            variance = np.sum(weights * np.square(seen)) / np.sum(weights)
            out[i] = np.sqrt(variance * scale)
    return out


def percentile_rank(values, window, minimum):
    out = np.full(len(values), np.nan)
    for i, value in enumerate(values):
        part = [x for x in values[max(0, i - window + 1) : i + 1] if not math.isnan(x)]
        if not math.isnan(value) and len(part) >= minimum:
            less, equal = sum(x < value for x in part), sum(x == value for x in part)
            out[i] = (less + (equal + 1) / 2) / len(part)
    return out
