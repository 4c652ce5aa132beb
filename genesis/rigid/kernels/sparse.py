"""Inner loops of linear algebra on the pattern of the mass matrix, written natively.

An array of Warp's is addressed through strides that are known at run time only, which keeps the compiler from holding
a row in registers. Here a row is a pointer, and the stride is one on the CPU, where an env's numbers lie together; the
same text serves CUDA, where it is the number of envs. Sums are taken in the order in which plain loops would take
them.

The pattern: rows of a lower triangle, structural nonzeros only; the columns of row i are its ancestors in ascending
order, itself last. The columns of an ancestor's row are the first columns of a dof's own.
"""

import re

import warp as wp

from genesis import runtime
from genesis.types import real

_REAL = "double" if runtime.precision == "64" else "float"

# Numbers that the compiler knows.
_NUMBERS = """
    // 64 bits: on CUDA the stride is the number of envs, and a number of a row times it passes 2^31.
    typedef long long Count;
    struct One { CUDA_CALLABLE operator Count() const { return 1; } };
    struct Three { CUDA_CALLABLE operator Count() const { return 3; } };
    // Of row w of an array: its element k, whose numbers are neighbours.
    auto item = [&](const auto& array, int k) {
        return (REAL*)((char*)array.data + (size_t)w * array.strides[0] + (size_t)k * array.strides[1]);
    };
"""
# ``run(stride)``, on the CPU with a stride that the compiler knows. Other strides are compiled for the CPU only where
# the tests ask for it: they would double the time that compiling takes.
_ON_CPU = "if (stride == 1) run(One()); else run(stride);" if runtime.any_stride else "run(One());"
_DISPATCH = f"""
    const long long stride = STRIDED.strides[AXIS] / (int)sizeof(REAL);
#if defined(__CUDA_ARCH__)
    run(stride);
#else
    {_ON_CPU}
#endif
"""
_SHORT_LOOP = '_Pragma("clang loop vectorize_width(4) interleave_count(1)")'
_ROW = "((REAL*)((char*){0}.data + (size_t)w * {0}.strides[0]))"
_SLOT = "((REAL*)((char*){0}.data + (size_t)w * {0}.strides[0] + (size_t)c * {0}.strides[1]))"
_INTEGERS = "((int*)((char*){0}.data + (size_t)w * {0}.strides[0]))"


def snippet(body: str, strided: str, axis: int = 1, result: str = "") -> str:
    """Text of a native function that defines ``run``, a function of the stride between neighbours in a row.

    In ``body``, REAL is the type of numbers, ``ROW(x)`` points to row w of x, ``SLOT(x)`` to its slot c, and
    ``INTEGERS(k)`` to a row of integers, which are neighbours on every device; ``item(x, k)`` is the place of element k
    of row w, of an array whose elements are vectors or rows of parameters: their numbers are neighbours too. Arrays may
    be members of groups.

    Args:
        strided: an array whose stride along ``axis``, its last, is that of every row in ``body``
        result: what the function returns
    """
    text = _NUMBERS + body + _DISPATCH.replace("STRIDED", strided).replace("AXIS", str(axis))
    if result:
        text += f"    return {result};\n"
    for word, meaning in (("ROW", _ROW), ("SLOT", _SLOT), ("INTEGERS", _INTEGERS)):
        text = re.sub(rf"\b{word}\(([\w.]+)\)", lambda match, meaning=meaning: meaning.format(match[1]), text)
    return text.replace("SHORT_LOOP", _SHORT_LOOP).replace("REAL", _REAL)


_FACTOR = """
    const int nv = skip_dof.shape[0];
    const int* colind = M_colind.data;
    const int* adr = M_colind_adr.data;
    auto run = [&](auto s) {
        REAL* L = ROW(qLD);
        const REAL* H = ROW(matrix);
        REAL* inverse_of = ROW(qLDiagInv);
        const int n_entries = M_colind.shape[0];
        for (int e = 0; e < n_entries; ++e)
            L[e * s] = H[e * s];
        for (int i = nv - 1; i >= 0; --i) {
            if (skip_dof.data[i])
                continue;
            REAL* own = L + adr[i] * s;
            const int n = adr[i + 1] - adr[i] - 1;
            const REAL inverse = (REAL)1 / own[n * s];
            inverse_of[i * s] = inverse;
            for (int a = n - 1; a >= 0; --a) {
                const REAL scale = own[a * s] * inverse;
                REAL* __restrict to = L + adr[colind[adr[i] + a]] * s;
                const REAL* __restrict from = own;
                SHORT_LOOP
                for (int c = 0; c <= a; ++c)
                    to[c * s] = to[c * s] - scale * from[c * s];
                own[a * s] = scale;
            }
        }
    };
"""


@wp.func_native(snippet=snippet(_FACTOR, "qLD"))
def factor_in_place(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_dof: wp.array(dtype=int),
    matrix: wp.array2d(dtype=real),
    qLD: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
):
    """Matrix = L' D L without fill-in, leaves to root (MuJoCo: mj_factorI).

    Rows of ``skip_dof`` are left alone: they are a block of their own, solved elsewhere.
    """


# ``solve_ld(L, inverse_of, y, s)``: y <- (L' D L)^-1 y, for whoever has such vectors elsewhere than in rows.
SOLVE_LD = """
    auto solve_ld = [&](const REAL* L, const REAL* inverse_of, REAL* y, auto s) {
        const int nv = skip_dof.shape[0];
        const int* colind = M_colind.data;
        const int* adr = M_colind_adr.data;
        for (int i = nv - 1; i >= 0; --i) {
            if (skip_dof.data[i])
                continue;
            const REAL value = y[i * s];
            for (int e = adr[i]; e < adr[i + 1] - 1; ++e)
                y[colind[e] * s] = y[colind[e] * s] - L[e * s] * value;
        }
        for (int i = 0; i < nv; ++i) {
            if (skip_dof.data[i])
                continue;
            REAL value = y[i * s] * inverse_of[i * s];
            for (int e = adr[i]; e < adr[i + 1] - 1; ++e)
                value = value - L[e * s] * y[colind[e] * s];
            y[i * s] = value;
        }
    };
"""
_SOLVE = f"""
    {SOLVE_LD}
    auto run = [&](auto s) {{ solve_ld(ROW(qLD), ROW(qLDiagInv), ROW(x), s); }};
"""


@wp.func_native(snippet=snippet(_SOLVE, "qLD"))
def solve_in_place(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_dof: wp.array(dtype=int),
    qLD: wp.array2d(dtype=real),
    qLDiagInv: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
):
    """x <- (L' D L)^-1 x (MuJoCo: mj_solveLD)."""


# ``subtract_product(u, y, H, s)``: H -= u y' on the pattern, both mirror images of an off-diagonal entry in one place.
SUBTRACT_PRODUCT = """
    auto subtract_product = [&](const REAL* u, const REAL* y, REAL* H, auto s) {
        const int nv = skip_dof.shape[0];
        const int* colind = M_colind.data;
        const int* adr = M_colind_adr.data;
        for (int i = 0; i < nv; ++i) {
            if (skip_dof.data[i])
                continue;
            const REAL u_i = u[i * s], y_i = y[i * s];
            const int diagonal = adr[i + 1] - 1;
            for (int e = adr[i]; e < diagonal; ++e) {
                const int j = colind[e];
                H[e * s] = H[e * s] - u_i * y[j * s] - u[j * s] * y_i;
            }
            H[diagonal * s] = H[diagonal * s] - u_i * y_i;
        }
    };
"""
_SUBTRACT = f"""
    {SUBTRACT_PRODUCT}
    auto run = [&](auto s) {{ subtract_product(ROW(z), ROW(x), ROW(adj_matrix), s); }};
"""


@wp.func_native(snippet=snippet(_SUBTRACT, "adj_matrix"))
def subtract_outer_product(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    skip_dof: wp.array(dtype=int),
    z: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    adj_matrix: wp.array2d(dtype=real),
):
    """adj_matrix -= z x' on the pattern, both mirror images of an off-diagonal entry in one place."""


_MASS_MUL = """
    const int nv = M_colind_adr.shape[0] - 1;
    const int* colind = M_colind.data;
    const int* adr = M_colind_adr.data;
    auto run = [&](auto s) {
        const REAL* M = ROW(qM);
        const REAL* from = ROW(x);
        REAL* __restrict to = ROW(y);
        for (int i = 0; i < nv; ++i) {
            const int diagonal = adr[i + 1] - 1;
            const REAL x_i = from[i * s];
            REAL sum = M[diagonal * s] * x_i;
            for (int e = adr[i]; e < diagonal; ++e) {
                const int j = colind[e];
                sum += M[e * s] * from[j * s];
                to[j * s] += M[e * s] * x_i;
            }
            to[i * s] = sum;
        }
    };
"""


@wp.func_native(snippet=snippet(_MASS_MUL, "y"))
def mass_mul(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qM: wp.array2d(dtype=real),
    x: wp.array2d(dtype=real),
    y: wp.array2d(dtype=real),
):
    """y = M x."""


_PLACE = """
    const int nv = M_colind_adr.shape[0] - 1;
    const int* colind = M_colind.data;
    const int* adr = M_colind_adr.data;
    const int* first_of = INTEGERS(row_start);
    const int* place = INTEGERS(dof_place);
    auto run = [&](auto s) {
        const REAL* M = ROW(qM);
        REAL* to = ROW(H);
        for (int p = 0; p < nv; ++p)
            for (int q = first_of[p]; q < p; ++q)
                to[(p * nv + q) * s] = 0;
        for (int i = 0; i < nv; ++i) {
            const int q = place[i];
            for (int e = adr[i]; e < adr[i + 1]; ++e)
                to[(place[colind[e]] * nv + q) * s] = M[e * s];
        }
    };
"""


@wp.func_native(snippet=snippet(_PLACE, "qM"))
def place_mass_matrix(
    w: int,
    M_colind: wp.array(dtype=int),
    M_colind_adr: wp.array(dtype=int),
    qM: wp.array2d(dtype=real),
    row_start: wp.array2d(dtype=int),
    dof_place: wp.array2d(dtype=int),
    H: wp.array3d(dtype=real),
):
    """H = M inside the envelope, lower triangle; rows and columns in the order of ``dof_place``, ancestors later."""
