"""Model tools: what models there are, where they come from, and how they become ONNX and INT8."""
