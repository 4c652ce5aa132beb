"""Constraints: rows of one table, contacts as blocks of rows with a cone, and the solver (MuJoCo: mj_makeConstraint).

A constraint is a convex potential of a small vector ``y = J qacc - aref``, whose negative gradient is its force:

- a row of the table (`genesis.model.rows`): y is a number, force ``-D y``; a limit only pushes, friction loss is
  clipped to plus or minus the loss;
- a contact: y has ``condim`` entries, relative acceleration along normal, two tangents, about the normal, about the
  two tangents. With an elliptic cone the potential is MuJoCo's (documentation, "Constraint model"). With a pyramidal
  cone it is the sum over the pyramid's edges ``y[0] +- friction[j] * y[j]``: MuJoCo's rows are these edges, and a force
  here is the sum over edges, which is the contact force in the contact's frame.

At a switch (zero force, the edge of the cone, a limit just reached) the derivative is that of the side without force:
a row at exactly zero counts as satisfied, a sliding contact at exactly the edge of the cone as sticking.

``kinds``: the table's entries, one file each beside it; ``reference``: aref and D; ``contact_rows``: the same of
contacts, and their J; ``potential``: force laws; ``sums``: loops over rows and contacts; ``solver``, ``envelope``: the
minimum; ``force``: forces at the minimum, and the adjoint of all this; ``friction_response``, ``noslip``: sweeps
against slip that follow, and theirs.
"""
