"""maskgate: promptable segmentation as a service, the gateway."""
