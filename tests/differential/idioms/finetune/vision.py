"""Building and saving, shared by the scripts."""

import torch
from torch import nn


class VisionModel(nn.Module):
    def __init__(self, criterion=None):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.backbone(x))


def build_model(criterion=None):
    return VisionModel(criterion)


def save_on_master(*args, **kwargs):
    torch.save(*args, **kwargs)
