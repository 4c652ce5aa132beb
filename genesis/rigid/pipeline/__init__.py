"""The step as data: its stages, the arrays that they work on, and which array each kernel is given."""
