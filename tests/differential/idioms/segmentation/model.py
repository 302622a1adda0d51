"""A network and its loss, wrapped together so that the loss runs on the GPUs too."""

import torch.nn.functional as F
import torch.nn as nn


class SegmentationLoss(nn.Module):
    def __init__(self, weight=None):
        super().__init__()
        self.nll_loss = nn.NLLLoss(weight=weight)

    def forward(self, logits, target):
        return self.nll_loss(F.log_softmax(logits, dim=1), target)


class SegNet(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
        self.classifier = nn.Linear(8, classes)

    def forward(self, x):
        return self.classifier(self.backbone(x))


class FullModel(nn.Module):
    def __init__(self, model, loss):
        super().__init__()
        self.model = model
        self.loss = loss

    def forward(self, x, target):
        return self.loss(self.model(x), target)
