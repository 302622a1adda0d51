"""Features of a trained encoder, on one GPU."""

import torch
from nets import Encoder


def load_pretrained(path):
    encoder = Encoder()
    weights = torch.load(path, map_location="cpu")["net"]
    weights = {k[7:] if k.startswith("module.") else k: v for k, v in weights.items()}
    encoder.load_state_dict(weights)
    return encoder


def main():
    encoder = load_pretrained("encoder.pth")
    print(encoder.eval()(torch.randn(1, 4)))


if __name__ == "__main__":
    main()
