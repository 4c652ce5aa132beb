"""What a USD stage says may not touch, as pairs of bodies that `mujoco.MjSpec` excludes from contact."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import mujoco

from genesis.model.robot_files import WORLD_LINK
from genesis.model.usd_joints import Joint, Link, link_above
from genesis.model.usd_shapes import SHAPES, collides_by_schema
from genesis.model.usd_stage import Stage

_IsIn = Callable[[Any, dict[Any, Link]], bool]  # whether a shape is at one end of a filter


def exclude_contacts(stage: Stage, spec: mujoco.MjSpec, links: dict[Any, Link], joints: Sequence[Joint]) -> None:
    """No contact of bodies that a joint ties, that are filtered, or of articulations that do not touch themselves."""
    from pxr import UsdPhysics

    excluded: dict[frozenset[str], None] = {}
    for joint in joints:
        first, second = joint.ends
        if first is None or second is None:
            continue
        if stage.value(joint.prim, "physics:collisionEnabled", False):
            stage.note("contact between bodies that a joint ties", joint.prim)
        else:
            excluded[frozenset((first.name, second.name))] = None
    for pair in _filtered_pairs(stage, links):
        excluded[pair] = None
    for prim in stage.prims():
        if prim.HasAPI(UsdPhysics.ArticulationRootAPI) and not _touches_itself(stage, prim):
            is_part = prim.GetPath() in links or prim.IsA(UsdPhysics.Joint)
            above = (prim.GetParent() if is_part else prim).GetPath()
            own = [link.name for path, link in links.items() if path.HasPrefix(above)]
            excluded |= {frozenset(pair): None for pair in itertools.combinations(own, 2)}
    for pair in excluded:
        if len(pair) == 2:
            first_name, second_name = sorted(pair)
            spec.add_exclude(bodyname1=first_name, bodyname2=second_name)


def _touches_itself(stage: Stage, prim: Any) -> bool:
    """Of an articulation: by attributes of PhysX and Newton, as UsdPhysics has none."""
    names = ("physxArticulation:enabledSelfCollisions", "newton:selfCollisionEnabled")
    return all(bool(stage.value(prim, name, True)) for name in names)


def _filtered_pairs(stage: Stage, links: dict[Any, Link]) -> Iterator[frozenset[str]]:
    """Names of the bodies, and the world, none of whose shapes may touch by filtered pairs and collision groups."""
    filters = [*_pair_filters(stage), *_group_filters(stage)]
    if not filters:
        return
    shapes: dict[str, list[Any]] = {}
    for prim in stage.prims():
        if prim.GetTypeName() in SHAPES and collides_by_schema(stage, prim, links):
            link = link_above(links, prim)
            shapes.setdefault(WORLD_LINK if link is None else link.name, []).append(prim)
    # At which ends of the filters each shape is, looked up once.
    ends = {
        prim.GetPath(): [(first(prim, links), second(prim, links)) for first, second in filters]
        for prim in itertools.chain.from_iterable(shapes.values())
    }

    def is_filtered(one: Any, other: Any) -> bool:
        both = zip(ends[one.GetPath()], ends[other.GetPath()], strict=True)
        return any((a and d) or (b and c) for (a, b), (c, d) in both)

    for (first_name, ours), (second_name, theirs) in itertools.combinations(shapes.items(), 2):
        apart = [is_filtered(one, other) for one in ours for other in theirs]
        if all(apart):
            yield frozenset((first_name, second_name))
        elif any(apart):
            stage.note("filters between some shapes of two bodies, which touch by others", ours[0])


def _pair_filters(stage: Stage) -> Iterator[tuple[_IsIn, _IsIn]]:
    """The two ends of each filtered pair: bodies, shapes, or whatever stands above shapes."""
    from pxr import UsdPhysics

    def under(path: Any) -> _IsIn:
        def is_in(prim: Any, links: dict[Any, Link]) -> bool:
            # Of a body its own shapes only, not those of bodies below it.
            owned = path not in links or link_above(links, prim) is links[path]
            return owned and bool(prim.GetPath().HasPrefix(path))

        return is_in

    for prim in stage.prims():
        if prim.HasAPI(UsdPhysics.FilteredPairsAPI):
            for path in prim.GetRelationship("physics:filteredPairs").GetTargets():
                yield under(prim.GetPath()), under(path)


def _group_filters(stage: Stage) -> Iterator[tuple[_IsIn, _IsIn]]:
    """The two groups of each pair of collision groups that may not touch, which may be one and the same."""
    from pxr import UsdPhysics

    def member(group: Any) -> _IsIn:
        query = UsdPhysics.CollisionGroup(group).GetCollidersCollectionAPI().ComputeMembershipQuery()
        return lambda prim, links: bool(query.IsPathIncluded(prim.GetPath()))

    groups = list(stage.of_type(UsdPhysics.CollisionGroup))
    named = {group: set(group.GetRelationship("physics:filteredGroups").GetTargets()) for group in groups}
    inverted = {group: bool(stage.value(group, "physics:invertFilteredGroups", False)) for group in groups}
    for group in groups:
        if stage.value(group, "physics:mergeGroup", ""):
            stage.note("collision groups that are to be merged", group)
    members = {group: member(group) for group in groups}
    for one, other in itertools.combinations_with_replacement(groups, 2):
        if any((b.GetPath() in named[a]) != inverted[a] for a, b in ((one, other), (other, one))):
            yield members[one], members[other]
