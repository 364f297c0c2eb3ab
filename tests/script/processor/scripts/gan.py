import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
real_data = torch.randn(400, 2) * 0.3 + torch.tensor([1.0, -1.0])
loader = DataLoader(TensorDataset(real_data), batch_size=40, shuffle=True, drop_last=True)
netG = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2)).cuda()
netD = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1)).cuda()
optD = torch.optim.Adam(netD.parameters(), lr=1e-3, betas=(0.5, 0.999))
optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
criterion = nn.BCEWithLogitsLoss()
fixed = torch.randn(16, 8, device="cuda")
for epoch in range(100):
    for (real,) in loader:
        real = real.cuda()
        ones, zeros = torch.ones(len(real), 1, device="cuda"), torch.zeros(len(real), 1, device="cuda")
        netD.zero_grad()
        loss_real = criterion(netD(real), ones)
        loss_real.backward()
        fake = netG(torch.randn(len(real), 8, device="cuda"))
        loss_fake = criterion(netD(fake.detach()), zeros)
        loss_fake.backward()
        optD.step()
        netG.zero_grad()
        loss_g = criterion(netD(fake), ones)
        loss_g.backward()
        optG.step()
        print("loss", loss_g.item())
    with torch.no_grad():
        sample = netG(fixed)
    torch.save(netG.state_dict(), "g.pt")
    torch.save(netD.state_dict(), "d.pt")
