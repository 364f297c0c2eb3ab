import lightning as L
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

L.seed_everything(0)


class Data(L.LightningDataModule):
    def __init__(self):
        super().__init__()
        pattern = torch.randn(3, 1, 8, 8)
        labels = torch.randint(0, 3, (420,))
        pictures = pattern[labels] + 1.5 * torch.randn(420, 1, 8, 8)
        self.train_set = TensorDataset(pictures[:320], labels[:320])
        self.val_set = TensorDataset(pictures[320:], labels[320:])

    def train_dataloader(self):
        return DataLoader(self.train_set, batch_size=20, shuffle=True, num_workers=2)

    def val_dataloader(self):
        return DataLoader(self.val_set, batch_size=50)


class Classifier(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()
        )
        self.middle = nn.Linear(128, 32)
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        return self.head(F.relu(self.middle(self.net(x))))

    def training_step(self, batch, index):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.log("train_loss", loss)
        print("loss", loss.item())
        return loss

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", F.cross_entropy(self(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=2e-3)


trainer = L.Trainer(
    accelerator="gpu", devices=1, precision="16-mixed", max_epochs=50, default_root_dir="logs", logger=False,
    enable_progress_bar=False, enable_model_summary=False,
)  # fmt: skip
trainer.fit(Classifier(), Data())
