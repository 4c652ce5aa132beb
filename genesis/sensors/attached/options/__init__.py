"""Descriptions of the sensors that `scene.add_sensor` takes, one file per kind."""
