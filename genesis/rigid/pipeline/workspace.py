"""The memory that stages work in: per row (one env) every field of the step, and their gradients.

On the CPU a row's fields lie together, and one row serves one env after the other: it stays in the cache. On CUDA
there is a row for every env, and neighbours in memory are the same number of neighbouring envs, so that the threads
of a warp read one piece of memory. Kernels see the same arrays either way: only the strides differ.
"""

import math

import numpy as np
import torch
import warp as wp

from genesis import runtime
from genesis.constants import MOCAP_WIDTH, WELD_WIDTH
from genesis.model.arrays import Model
from genesis.rigid.door import address, require_strides
from genesis.rigid.pipeline import step
from genesis.rigid.pipeline.fields import FIELDS, INT_FIELDS
from genesis.types import mat33, real, vec3, vec4, vec6, vec10

COMPONENTS = {real: 1, vec3: 3, vec4: 4, vec6: 6, mat33: 9, vec10: 10}
STATE = ("qpos", "qvel", "act")
# Element types of parameters that kernels read as vectors: the last axis of the field becomes the vector.
_THETA_DTYPES = {
    "gravity": vec3,
    "wind": vec3,
    "body_ipos": vec3,
    "body_inertia": vec6,
    "body_pos": vec3,
    "body_quat": vec4,
    "jnt_axis": vec3,
    "jnt_pos": vec3,
    "geom_pos": vec3,
    "geom_quat": vec4,
    "geom_size": vec3,
    "site_pos": vec3,
    "site_quat": vec4,
}
RK_STAGES = 4


class Block:
    """Fields of the same rows, side by side, with or without gradients.

    Args:
        fields: name -> (element type, shape)
        slots: None, or the number of contact slots that each row has; the fields are then those of one slot
        rows_adjacent: whether the same number of neighbouring rows is adjacent in memory, instead of a row's numbers
    """

    def __init__(
        self,
        fields: dict[str, tuple[type, tuple[int, ...]]],
        rows: int,
        device: torch.device,
        gradients: bool,
        rows_adjacent: bool,
        slots: int | None = None,
    ):
        self.fields, self.rows, self.slots, self._rows_adjacent = fields, rows, slots, rows_adjacent
        self._starts: dict[str, int] = {}
        self.width = 0  # numbers per row, or per slot of a row
        for name, (dtype, shape) in fields.items():
            self._starts[name] = self.width
            self.width += math.prod(shape) * COMPONENTS[dtype]
        total = rows * self.width * (1 if slots is None else slots)
        self.data = torch.zeros(total, dtype=runtime.tc_float, device=device)
        self.grad = torch.zeros_like(self.data) if gradients else None
        self._wp_device = wp.device_from_torch(device)
        self.item = self.data.element_size()

    def start(self, name: str) -> int:
        """Where a field begins: in numbers from the beginning of its row, or of the block where rows are adjacent."""
        return self._starts[name] * (self.rows if self._rows_adjacent else 1)

    def _strides(self, name: str) -> tuple[int, int, list[int], int]:
        """Of row, slot, the field's axes and the components of an element, in numbers."""
        dtype, shape = self.fields[name]
        components = COMPONENTS[dtype]
        element = components * (self.rows if self._rows_adjacent else 1)
        inner: list[int] = []
        for extent in reversed(shape):
            inner.insert(0, element)
            element *= max(extent, 1)
        slot = self.width * (self.rows if self._rows_adjacent else 1)
        row = components if self._rows_adjacent else self.width * (1 if self.slots is None else self.slots)
        return row, slot, inner, 1

    def array(self, name: str) -> wp.array:
        """Over (rows, *shape), or (rows, slots, *shape); with its gradient, where there are gradients."""
        dtype, shape = self.fields[name]
        row, slot, inner, _ = self._strides(name)
        lead, strides = ((self.rows,), (row,)) if self.slots is None else ((self.rows, self.slots), (row, slot))

        in_bytes = tuple(s * self.item for s in (*strides, *inner))
        require_strides(in_bytes, name)

        def view(buffer: torch.Tensor) -> wp.array:
            return wp.array(
                ptr=address(buffer, runtime.tc_float) + self.start(name) * self.item,
                dtype=dtype,
                shape=(*lead, *shape),
                strides=in_bytes,
                device=self._wp_device,
            )

        array = view(self.data)
        if self.grad is not None:
            array.grad = view(self.grad)
        return array

    def view(self, name: str, gradient: bool = False) -> torch.Tensor:
        """The field as a tensor, (rows, [slots,] *shape[, components])."""
        dtype, shape = self.fields[name]
        row, slot, inner, component = self._strides(name)
        size, strides = [self.rows], [row]
        if self.slots is not None:
            size, strides = [*size, self.slots], [*strides, slot]
        size, strides = [*size, *shape], [*strides, *inner]
        if dtype is not real:
            size, strides = [*size, COMPONENTS[dtype]], [*strides, component]
        buffer = self.grad if gradient else self.data
        assert buffer is not None
        return torch.as_strided(buffer, size, strides, self.start(name))

    def columns(self, first: str, count: int, gradient: bool = False) -> torch.Tensor:
        """``count`` numbers of each row from the field ``first`` on, (rows, count); of fields of real numbers."""
        buffer = self.grad if gradient else self.data
        assert buffer is not None and self.slots is None
        strides = [1, self.rows] if self._rows_adjacent else [self.width, 1]
        return torch.as_strided(buffer, [self.rows, count], strides, self.start(first))


class Workspace:
    """Arrays of ``rows`` rows, by the names under which kernels ask for them.

    Attributes:
        arrays: name -> array: the fields, integers, the model's indices and constants
        slots: what persists between the segments of a step: states between substeps (``qpos@1``, ...), of the stages
            of RK4 (``qpos@0.1``, ...) and gradients of the constraint solver's solutions; then the work fields, those
            of observations last
        contacts: fields that belong to contacts
        integers: name -> tensor
        right: two ints for who counts how a run goes
    """

    def __init__(self, model: Model, rows: int, substeps: int, rk4: bool, device: torch.device, rows_adjacent: bool):
        self.model, self.rows = model, rows
        shapes = {"qpos": model.nq, "qvel": model.nv, "act": model.na}
        fields: dict[str, tuple[type, tuple[int, ...]]] = {}

        def add(name: str, size: int) -> None:
            fields[name] = (real, (size,))

        # The gradient at the start of a step begins the block: one stroke zeroes it with all that a step leaves.
        for s in range(substeps):
            for name, size in shapes.items():
                add(f"{name}@{s}", size)
        for name, size in control_sizes(model).items():
            add(name, size)
        if rk4:
            more = {"rk_velocity": model.nv, "qacc": model.nv, "act_dot": model.nrate}
            for s in range(substeps):
                for k in range(RK_STAGES):
                    for name, size in {**shapes, **more}.items():
                        add(f"{name}@{s}.{k}", size)
        for k in range(evaluations(model, substeps, rk4)):
            add(f"solution@{k}", model.nv)
        self.first_work_field = "rk_velocity_mean"
        add("rk_velocity_mean", model.nv)
        add("act_dot_mean", model.nrate)
        observed = {name for stage in step.OBSERVE for name in stage.outputs}
        plain = [name for name, spec in FIELDS.items() if spec.differentiable and not spec.per_contact]
        plain.sort(key=lambda name: name in observed)
        for name in plain:
            fields[name] = (FIELDS[name].dtype, FIELDS[name].shape(model))
        self.first_observed_field = next(name for name in plain if name in observed)
        self.block = Block(fields, rows, device, True, rows_adjacent)
        # The state after the step is no part of what is zeroed: its gradient comes first.
        after = {f"{name}@{substeps}": (real, (size,)) for name, size in shapes.items()}
        self.after = Block(after, rows, device, True, rows_adjacent)
        per_contact = {n: (f.dtype, f.shape(model)) for n, f in FIELDS.items() if f.per_contact}
        self.contacts = Block(per_contact, rows, device, True, rows_adjacent, slots=model.nconmax)
        scratch = {n: (f.dtype, f.shape(model)) for n, f in FIELDS.items() if not f.differentiable}
        self.scratch = Block(scratch, rows, device, False, rows_adjacent)
        self.integers = {
            name: torch.zeros((rows, *shape(model)), dtype=torch.int32, device=device)
            for name, shape in INT_FIELDS.items()
        }
        # How many steps, or gradients, of a run were right so far; and whether the last was not.
        self.right = torch.zeros(2, dtype=torch.int32, device=device)
        self.arrays = {name: b.array(name) for b in self._blocks() for name in b.fields}
        self.arrays |= {name: wp.from_torch(tensor, dtype=wp.int32) for name, tensor in self.integers.items()}
        self.arrays |= model_arrays(model, self.block._wp_device)

    def _blocks(self) -> tuple[Block, ...]:
        return self.block, self.after, self.contacts, self.scratch

    def block_of(self, name: str) -> Block:
        """The block that holds a field."""
        return next(b for b in self._blocks() if name in b.fields)

    def data_address(self, name: str) -> int:
        """Where a field begins."""
        block = self.block_of(name)
        return address(block.data, runtime.tc_float) + block.start(name) * block.item

    def gradient_address(self, name: str) -> int:
        """Where the gradient of a field begins."""
        block = self.block_of(name)
        assert block.grad is not None
        return address(block.grad, runtime.tc_float) + block.start(name) * block.item

    def view(self, name: str, gradient: bool = False) -> torch.Tensor:
        """A field as a tensor, (rows, ...)."""
        return self.block_of(name).view(name, gradient)


def evaluations(model: Model, substeps: int, rk4: bool) -> int:
    """How often a step solves for constraint forces."""
    return substeps * (RK_STAGES if rk4 else 1) if model.constrained else 0


def control_sizes(model: Model) -> dict[str, int]:
    """Numbers per env of each control field."""
    return {
        "dof_force": model.nv,
        "dof_position": model.nv,
        "dof_velocity": model.nv,
        "ctrl": model.nu,
        "xfrc": 6 * model.nbody,
        "mocap": MOCAP_WIDTH * model.nmocap,
        "weld": WELD_WIDTH * model.nweld,
    }


def switch_sizes(model: Model) -> dict[str, int]:
    """The same of what is discrete in a command."""
    return {"ctrl_mode": model.nv, "actuator_on": model.nactuator, "eq_active": model.neq}


def theta_element(name: str, shape: tuple[int, ...]) -> tuple[type, tuple[int, ...]]:
    """Element type and shape, as kernels see them, of a parameter of the model of this shape."""
    dtype = _THETA_DTYPES.get(name, real)
    return dtype, shape if dtype is real else shape[:-1] or (1,)


def model_arrays(model: Model, device) -> dict[str, wp.array]:
    """The model's structure and constants."""
    arrays = {name: wp.array(values, dtype=wp.int32, device=device) for name, values in model.indices.items()}
    for name, values in model.constants.items():
        arrays[name] = wp.array(values.astype(runtime.np_float), dtype=real, device=device)
    skip = model.indices["dof_in_free_block"]
    arrays["skip_none"] = wp.array(np.zeros_like(skip), dtype=wp.int32, device=device)
    arrays["skip_all"] = wp.array(np.ones_like(skip), dtype=wp.int32, device=device)
    return arrays
