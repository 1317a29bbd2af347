"""Studies: asking for one, working on it in chunks, judging it, adopting what it found."""
