"""Physical parameters from recorded motion: what a log is, what is compared, the estimation, and its result."""
