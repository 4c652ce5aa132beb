"""`genesis bench`: how fast steps and their gradients are, beside MuJoCo C in the same run. Not part of the API."""
