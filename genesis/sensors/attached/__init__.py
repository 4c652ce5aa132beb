"""Sensors that a program attaches to its scene: descriptions (`options`), and what measures them."""
