"""Predict with the network alone."""

import torch
from model import SegNet


def main():
    net = SegNet()
    net.load_state_dict(torch.load("segnet.pth", map_location="cpu"))
    net.eval()
    print(net(torch.randn(2, 4)).argmax(1))


if __name__ == "__main__":
    main()
