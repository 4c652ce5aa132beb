"""Tensors, their creation, and the bridge between torch's graph and the simulation."""

from genesis.grad.tensor import Tensor

__all__ = ["Tensor"]
