"""An FP32 ONNX model and photos to an INT8 one that is right and fast, or to the reason why not."""
