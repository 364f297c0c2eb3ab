import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split

torch.manual_seed(0)
WEIGHTS = torch.randn(12)


class Houses(Dataset):
    def __init__(self):
        self.x = torch.randn(600, 12)
        self.y = self.x @ WEIGHTS + 0.1 * torch.randn(600)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


data = Houses()
train_set, val_set = random_split(data, [500, 100])
train_loader = DataLoader(train_set, batch_size=25, shuffle=True, num_workers=4)
val_loader = DataLoader(val_set, batch_size=50)
net = nn.Sequential(nn.Linear(12, 32), nn.Tanh(), nn.Linear(32, 1)).cuda()
criterion = nn.MSELoss()
opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
losses = []
for epoch in range(200):
    for step, (inputs, targets) in enumerate(train_loader):
        inputs, targets = inputs.cuda(), targets.cuda()
        prediction = net(inputs).squeeze(1)
        loss = criterion(prediction, targets)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
        print("loss", loss.item())
    with torch.inference_mode():
        error = sum(criterion(net(a.cuda()).squeeze(1), b.cuda()).item() for a, b in val_loader)
    torch.save(net.state_dict(), "net.pt")
