"""What runs the stages: programs of a native loop on the CPU, captured graphs on a GPU."""
