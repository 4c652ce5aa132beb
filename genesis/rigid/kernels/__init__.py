"""What a step computes, one file per quantity: kernels, and adjoints that are written by hand below them."""
