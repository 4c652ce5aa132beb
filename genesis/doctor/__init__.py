"""The gradient doctor: is the gradient of a loss right, and if not, since where and why; see `genesis.doctor.check`."""
