"""What a robot measures: the sensors of MJCF files, evaluated in torch from observations of the world."""
