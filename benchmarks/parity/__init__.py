"""`make parity`: what each engine computes, against the reference implementation; written to docs/parity.md."""
