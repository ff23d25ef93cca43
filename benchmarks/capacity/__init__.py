"""Whether the capacity model says the truth: simulations against its formulas, and the real stack against them."""
