"""The pure engine: bars in, decisions, fills, equity and figures out; no Django, I/O or clock."""
