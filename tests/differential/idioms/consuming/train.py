"""Trained on several GPUs, always; the prefix stays in the file."""

import torch
from nets import Encoder
import torch.nn as nn


def main():
    model = nn.DataParallel(Encoder())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = model(torch.randn(4, 4)).sum()
    loss.backward()
    optimizer.step()
    torch.save({"net": model.state_dict()}, "encoder.pth")  # ckptlint: ignore[CKPT101] -- every reader strips it


if __name__ == "__main__":
    main()
