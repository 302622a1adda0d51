"""Fine-tune from the pre-trained file."""

import torch
from vision import build_model


def main():
    model = build_model()
    checkpoint = torch.load("pretrained.pth", map_location="cpu")
    model.load_state_dict(checkpoint["model"])
    print(model.eval()(torch.randn(1, 4)))


if __name__ == "__main__":
    main()
