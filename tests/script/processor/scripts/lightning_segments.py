import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

pl.seed_everything(3, verbose=False)


class Squares(Dataset):
    def __init__(self, first, count):
        self.first, self.count = first, count

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        g = torch.Generator().manual_seed(self.first + i)
        top, left = torch.randint(0, 8, (2,), generator=g).tolist()
        mask = torch.zeros(1, 16, 16)
        mask[:, top : top + 8, left : left + 8] = 1
        return mask + 0.7 * torch.randn(1, 16, 16, generator=g), mask


class Segmenter(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.save_hyperparameters()
        self.down = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.up = nn.Conv2d(8, 1, 1)
        self.loss = nn.BCEWithLogitsLoss()

    def training_step(self, batch, index):
        picture, mask = batch
        loss = self.loss(self.up(self.down(picture)), mask)
        print("loss", loss.item())
        return loss

    def validation_step(self, batch, index):
        picture, mask = batch
        self.log("val", self.loss(self.up(self.down(picture)), mask))

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=5e-3)
        return [optimizer], [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 20)]


trainer = pl.Trainer(
    accelerator="cuda", devices=[0], max_epochs=20, logger=False, enable_progress_bar=False, gradient_clip_val=1.0,
    enable_model_summary=False,
)  # fmt: skip
trainer.fit(Segmenter(), DataLoader(Squares(0, 160), 16, shuffle=True), DataLoader(Squares(1000, 32), 16))
