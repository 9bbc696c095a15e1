"""EfficientNet-Lite: PyTorch's weight file to an ONNX model, without PyTorch."""
