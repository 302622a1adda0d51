"""Generator and discriminator."""

import torch.nn as nn


class Generator(nn.Module):
    def __init__(self, latent=4):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(latent, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4))

    def forward(self, z):
        return self.main(z)


class Discriminator(nn.Module):
    def __init__(self):
        super().__init__()
        self.main = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))

    def forward(self, x):
        return self.main(x)


def create_models(parallel):
    nets = {"g": Generator(), "d": Discriminator()}
    if parallel:
        nets = {name: nn.DataParallel(net) for name, net in nets.items()}
    return nets


def unwrap(net):
    return net.module if hasattr(net, "module") else net
