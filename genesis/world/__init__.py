"""What a built scene is made of, below its handles: `world.World` and its parts."""
