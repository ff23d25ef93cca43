"""The gRPC skin."""
