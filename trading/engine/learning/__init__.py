"""Learning from labeled candidates: features, labels, models and how well they are calibrated."""
