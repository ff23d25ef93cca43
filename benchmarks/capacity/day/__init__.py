"""A day of a whole fleet: ten million images, half a billion clicks, a zone that fails, and Redis that fails."""
