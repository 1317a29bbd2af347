"""The honesty checks, by subject; `panel.honesty` runs them all."""
