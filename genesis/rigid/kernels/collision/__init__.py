"""Collision: which contacts there are, and the geometry of each, differentiable in both poses and sizes."""
