"""Writes the table of stages of `docs/architecture.md` from the stages themselves (`make stubs`)."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"  # of a checkout
_BEGIN, _END = "<!-- from the stages: `make stubs` -->\n", "<!-- end of the stages -->\n"
_SHOWN = 9  # names in a cell; beyond, the cell says how many more there are
_ADJOINTS = {"tape": "generated", "by hand": "by hand", "none": "none: discrete"}


def page(present: str) -> str:
    """The page of documentation, `present`, with its table made anew; after `gs.init`."""
    from genesis.rigid.kernels.constraint.kinds import KINDS
    from genesis.rigid.pipeline import step
    from genesis.rigid.pipeline.fields import FIELDS, INT_FIELDS

    stages = [*step.forward(KINDS), *step.UNSYMMETRIC, step.ADVANCE, step.RK_STAGE, step.RK_ADVANCE]
    stages += [step.YIELD, *step.OBSERVE]
    fields = {*FIELDS, *INT_FIELDS, "qpos", "qvel", "act"}
    scratch = {name for name, spec in FIELDS.items() if not spec.differentiable} | set(INT_FIELDS)
    lines = ["| stage | reads | writes | adjoint |", "|---|---|---|---|"]
    for stage in stages:
        reads = sorted(name for name in stage.inputs() if name in fields)
        writes = [name for name in stage.outputs if name not in scratch] or list(stage.outputs)
        adjoint = _ADJOINTS[stage.adjoint]
        lines.append(f"| {stage.name} | {_cell(reads)} | {_cell(writes)} | {adjoint} |")
    before, rest = present.split(_BEGIN)
    return f"{before}{_BEGIN}\n" + "\n".join(lines) + f"\n\n{_END}{rest.split(_END)[1]}"


def _cell(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"`{name}`" for name in names[:_SHOWN]) + more


if __name__ == "__main__":
    import genesis as gs

    gs.init(backend=gs.cpu, logging_level="error")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
