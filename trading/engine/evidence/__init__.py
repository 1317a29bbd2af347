"""Evidence about win rates: real prices, out of sample, after costs, beside the null."""
