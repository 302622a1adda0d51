"""A base class that knows how to save and load; subclasses say what the model is."""

import os

import torch


class BaseTrainer:
    def __init__(self, save_dir):
        self.save_dir = save_dir
        self.epoch = 0

    def _model_for_saving(self):
        return getattr(self.model, "module", self.model)

    def save(self, name="last.pth"):
        payload = {"epoch": self.epoch, "arch": type(self.model).__name__}
        payload.update(state_dict=self._model_for_saving().state_dict())
        torch.save(payload, os.path.join(self.save_dir, name))

    def load(self, name="last.pth"):
        payload = torch.load(os.path.join(self.save_dir, name), map_location="cpu")
        self.epoch = payload["epoch"]
        self._model_for_saving().load_state_dict(payload["state_dict"])
