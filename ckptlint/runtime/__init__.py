"""The half that runs torch: a checkpoint against a model, on a device. Nothing outside of this room imports torch."""
