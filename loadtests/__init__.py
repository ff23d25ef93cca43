"""Load as people make it: `python -m loadtests` starts the stack, and people in locust, in its own environment."""
