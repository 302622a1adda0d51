"""Early stopping that keeps the best weights on disk."""

import torch
from torch.nn.parallel import DataParallel, DistributedDataParallel


def de_parallel(model):
    return model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else model


class EarlyStopping:
    def __init__(self, patience=3, path="best.pt"):
        self.patience = patience
        self.path = path
        self.best_score = None
        self.counter = 0
        self.early_stop = False

    def __call__(self, val_loss, model):
        score = -val_loss
        if self.best_score is None or score > self.best_score:
            self.best_score = score
            self.save_checkpoint(model)
            self.counter = 0
        else:
            self.counter += 1
            self.early_stop = self.counter >= self.patience

    def save_checkpoint(self, model):
        torch.save(de_parallel(model).state_dict(), self.path)
