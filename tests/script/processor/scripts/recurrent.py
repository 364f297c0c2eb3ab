import torch
from torch import nn

torch.manual_seed(0)
VOCAB = 20
corpus = (torch.arange(3001) ** 2 % 17 + torch.arange(3001) % 3).cuda()
data = corpus[: 3000 // 10 * 10].view(10, -1).t().contiguous()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Embedding(VOCAB, 16)
        self.rnn = nn.LSTM(16, 32, 1)
        self.drop = nn.Dropout(0.1)
        self.decoder = nn.Linear(32, VOCAB)

    def forward(self, x, hidden):
        out, hidden = self.rnn(self.drop(self.encoder(x)), hidden)
        return nn.functional.log_softmax(self.decoder(out).view(-1, VOCAB), dim=1), hidden


model = Model().to("cuda")
criterion = nn.NLLLoss()
lr = 2.0
for epoch in range(100):
    model.train()
    hidden = (torch.zeros(1, 10, 32, device="cuda"), torch.zeros(1, 10, 32, device="cuda"))
    for i in range(0, len(data) - 21, 20):
        x, y = data[i : i + 20], data[i + 1 : i + 21].reshape(-1)
        model.zero_grad()
        hidden = tuple(h.detach() for h in hidden)
        output, hidden = model(x, hidden)
        loss = criterion(output, y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        print("loss", loss.item())
    model.eval()
    with torch.no_grad():
        model(data[:20], hidden)
    with open("model.pt", "wb") as f:
        torch.save(model.state_dict(), f)
