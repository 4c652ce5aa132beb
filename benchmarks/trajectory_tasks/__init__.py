"""Five motions that an optimiser of trajectories should find, and a program that compares methods on them."""
