"""Small mathematics: rotations in torch, and the vector functions of the kernels."""
