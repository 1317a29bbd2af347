"""Backtests: asking for one, running it, calling it off.

The names below are imported on first use, so that the command can run an experiment on a file
without loading the request and worker side.
"""
