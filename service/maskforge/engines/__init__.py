"""TensorRT plans, built from our graphs by the image that serves them: neither torch nor onnx is needed here."""
