"""What maskgate does, one class each. Neither gRPC nor HTTP nor Redis is known here."""
