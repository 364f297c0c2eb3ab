import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
device = torch.device("cuda")
w = torch.randn(16, 4)
x = torch.randn(640, 16)
y = (x @ w).argmax(1)
train_set, val_set = TensorDataset(x[:512], y[:512]), TensorDataset(x[512:], y[512:])
train = DataLoader(train_set, batch_size=32, shuffle=True, num_workers=2, pin_memory=True)
val = DataLoader(val_set, batch_size=32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Linear(16, 64), nn.BatchNorm1d(64), nn.ReLU())
        self.hidden = nn.Linear(64, 64)
        self.drop = nn.Dropout(0.1)
        self.head = nn.Linear(64, 4)

    def forward(self, x):
        h = self.features(x)
        h = self.drop(F.relu(self.hidden(h)))
        return self.head(h)


model = Net().to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
scaler = torch.amp.GradScaler("cuda")
total_loss = 0.0
for epoch in range(60):
    model.train()
    for batch, target in train:
        batch, target = batch.to(device, non_blocking=True), target.to(device)
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype=torch.float16):
            output = model(batch)
            loss = F.cross_entropy(output, target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        total_loss += loss.item()
        print("loss", loss.item())
    model.eval()
    right = 0
    with torch.no_grad():
        for batch, target in val:
            right += (model(batch.cuda()).argmax(1) == target.cuda()).sum().item()
    scheduler.step()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "last.pt")
