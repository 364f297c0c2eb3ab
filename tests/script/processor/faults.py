"""Faults put into copies of healthy scripts, one at a time, and the check that must name each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).with_name("scripts")
HEALTHY = tuple(sorted(path.stem for path in SCRIPTS.glob("*.py")))


@dataclass(frozen=True)
class Fault:
    """One fault in one script.

    Attributes:
        kind: what people would call it.
        edits: text of the script → what stands there instead; each must be found.
        checks: ids of checks, of which one must say it first among those of the worst status.
        words: that the sentence of that check must contain.
        cautions: a warning is enough: the same code can be meant.
    """

    kind: str
    script: str
    edits: tuple[tuple[str, str], ...]
    checks: tuple[str, ...]
    words: str = ""
    cautions: bool = False

    @property
    def name(self) -> str:
        return f"{self.kind} in {self.script}".replace(" ", "_")

    def text(self) -> str:
        """The script with the fault."""
        text = (SCRIPTS / f"{self.script}.py").read_text()
        for old, new in self.edits:
            assert text.count(old), f"{self.name}: {old!r} is not in the script"
            text = text.replace(old, new)
        return text


def fault(
    kind: str, script: str, *edits: tuple[str, str], checks: str, words: str = "", cautions: bool = False
) -> Fault:
    return Fault(kind, script, edits, tuple(checks.split()), words, cautions)


STEP = "        scaler.step(optimizer)\n"
ZERO = "        optimizer.zero_grad()\n"
LIGHT_LOSS = "        loss = F.cross_entropy(logits, y)\n"

FAULTS: tuple[Fault, ...] = (
    fault("NaN in a module", "plain", ("h = self.drop(F.relu(self.hidden(h)))", "h = self.drop(torch.log(self.hidden(h)))"),
          checks="finite", words="drop"),
    fault("NaN in a module", "lightning_classes", ("F.relu(self.middle(self.net(x)))", "F.relu(self.middle(torch.sqrt(self.net(x) - 0.5)))"),
          checks="finite", words="middle"),
    fault("NaN in the data", "plain", ("y = (x @ w).argmax(1)\n", "y = (x @ w).argmax(1)\nx[100, 3] = float('nan')\n"),
          checks="inputs_finite", words="batch"),
    fault("NaN in the data", "lightning_segments", ("        return mask + 0.7", "        if i == 40:\n            mask[0, 3, 3] = float('inf')\n        return mask + 0.7"),
          checks="inputs_finite", words="batch"),
    fault("detached layer", "plain", ("h = self.features(x)", "h = self.features(x).detach()"), checks="gradients", words="features"),
    fault("detached layer", "lightning_segments", ("self.up(self.down(picture)), mask)\n        print", "self.up(self.down(picture).data), mask)\n        print"),
          checks="gradients", words="down"),
    fault("detached layer", "language", ("        for block in self.blocks:\n            x = block(x)", "        for block in self.blocks:\n            x = block(x.detach())"),
          checks="gradients", words="tokens"),
    fault("layer without an optimizer", "plain", ("AdamW(model.parameters()", "AdamW(list(model.features.parameters()) + list(model.head.parameters())"),
          checks="optimizer_holds", words="hidden"),
    fault("layer without an optimizer", "lightning_classes", ("Adam(self.parameters()", "Adam(self.net.parameters()"), checks="optimizer_holds", words="middle"),
    fault("layer replaced after the optimizer was made", "hugging_face",
          ("trainer = Trainer(model=model,", "import torch.nn as nn\n\noptimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)\nmodel.transformer.ln_f = nn.LayerNorm(32)\ntrainer = Trainer(model=model, optimizers=(optimizer, None),"),
          checks="optimizer_holds", words="ln_f"),
    fault("frozen layer in the optimizer", "plain", ("optimizer = torch", "model.hidden.requires_grad_(False)\noptimizer = torch"),
          checks="frozen", words="hidden", cautions=True),
    fault("frozen layer in the optimizer", "lightning_classes", ("        self.head = nn.Linear(32, 3)\n", "        self.head = nn.Linear(32, 3)\n        self.middle.requires_grad_(False)\n"),
          checks="frozen", words="middle", cautions=True),
    fault("the same batch again", "regression", ("enumerate(train_loader)", "[(i, next(iter(val_loader_)))\n            for val_loader_ in [DataLoader(train_set, batch_size=25)] for i in range(20)]"),
          checks="same_batch"),
    fault("the same batch again", "lightning_classes", ("        return DataLoader(self.train_set, batch_size=20, shuffle=True, num_workers=2)",
          "        x, y = self.train_set.tensors\n        return DataLoader(TensorDataset(x[:20].repeat(16, 1, 1, 1), y[:20].repeat(16)), batch_size=20)"), checks="same_batch"),
    fault("training in eval mode", "plain", ("    model.train()\n", "    model.eval()\n"), checks="modes", words="eval mode"),
    fault("no train() after validation", "plain", ("    model.train()\n", ""), checks="modes", words="since the first validation"),
    fault("training in eval mode", "lightning_classes", ("        x, y = batch\n        logits = self(x)", "        self.eval()\n        x, y = batch\n        logits = self(x)"),
          checks="modes", words="eval mode"),
    fault("validation in train mode", "plain", ("    model.eval()\n", ""), checks="modes", words="validation"),
    fault("validation in train mode", "lightning_classes", ("    def validation_step(self, batch, index):\n", "    def validation_step(self, batch, index):\n        self.train()\n"),
          checks="modes", words="validation"),
    fault("validation builds a graph", "plain", ("    with torch.no_grad():\n        for batch, target in val:\n            right", "    for batch, target in val:\n            right"),
          checks="no_grad", words="validation", cautions=True),
    fault("training under no_grad", "plain", ("            output = model(batch)\n            loss", "            with torch.no_grad():\n                output = model(batch)\n            loss"),
          checks="no_grad", words="no_grad"),
    fault("training under no_grad", "lightning_segments", ("        loss = self.loss(self.up(self.down(picture)), mask)\n        print", "        with torch.inference_mode(False), torch.no_grad():\n            loss = self.loss(self.up(self.down(picture)), mask)\n        print"),
          checks="no_grad"),
    fault("never zeroed", "plain", (ZERO, ""), checks="zero_grad"),
    fault("never zeroed", "language", ("    optimizer.zero_grad(set_to_none=True)\n", ""), checks="zero_grad"),
    fault("never zeroed", "regression", ("        opt.zero_grad()\n", ""), checks="zero_grad"),
    fault("graph kept", "plain", ("total_loss += loss.item()", "total_loss += loss"), checks="graph_kept", words="total_loss"),
    fault("graph kept", "regression", ("losses.append(loss.item())", "losses.append(loss)"), checks="graph_kept", words="losses"),
    fault("graph kept", "lightning_classes", (LIGHT_LOSS, LIGHT_LOSS + "        self.kept = [*getattr(self, 'kept', []), loss]\n"), checks="graph_kept", words="kept"),
    fault("softmax before cross-entropy", "plain", ("return self.head(h)", "return F.softmax(self.head(h), dim=1)"), checks="loss_input", words="softmax"),
    fault("softmax before cross-entropy", "lightning_classes", ("return self.head(F.relu(self.middle(self.net(x))))", "return self.head(F.relu(self.middle(self.net(x)))).softmax(-1)"),
          checks="loss_input", words="softmax"),
    fault("sigmoid before BCE with logits", "lightning_segments", ("        loss = self.loss(self.up(self.down(picture)), mask)", "        loss = self.loss(torch.sigmoid(self.up(self.down(picture))), mask)"),
          checks="loss_input", words="sigmoid"),
    fault("nll_loss of scores", "recurrent", ("nn.functional.log_softmax(self.decoder(out).view(-1, VOCAB), dim=1)", "self.decoder(out).view(-1, VOCAB)"),
          checks="loss_input", words="log"),
    fault("softmax over the batch", "plain", ("return self.head(h)", "return F.log_softmax(self.head(h), dim=0)"), checks="loss_input", words="dim 0"),
    fault("class out of range", "plain", ("y = (x @ w).argmax(1)", "y = (x @ w).argmax(1) + 1"), checks="targets", words="4"),
    fault("class out of range", "lightning_classes", ("labels[:320])", "labels[:320] + 1)"), checks="targets", words="3"),
    fault("token out of range", "language", ("self.tokens = nn.Embedding(VOCAB, WIDTH)", "self.tokens = nn.Embedding(VOCAB - 4, WIDTH)"), checks="tokens", words="embedding"),
    fault("targets of the wrong type", "plain", ("y = (x @ w).argmax(1)", "y = (x @ w).argmax(1).float()"), checks="targets", words="float32"),
    fault("mask of 0 and 255", "lightning_segments", ("return mask + 0.7 * torch.randn(1, 16, 16, generator=g), mask", "return mask + 0.7 * torch.randn(1, 16, 16, generator=g), 255 * mask"),
          checks="targets", words="255"),
    fault("all targets ignored", "language", ("    y = torch.stack([source[i + 1 : i + BLOCK + 1] for i in starts])", "    y = torch.full((12, BLOCK), -1)"), checks="ignored_targets"),
    fault("all targets ignored", "hugging_face", ('"labels": self.tokens[i].clone()', '"labels": torch.full_like(self.tokens[i], -100)'), checks="ignored_targets"),
    fault("last batch of one", "plain", ("x[:512], y[:512]", "x[:513], y[:513]"), checks="last_batch", words="513"),
    fault("last batch of one", "lightning_classes", ("nn.AdaptiveAvgPool2d(4), nn.Flatten()", "nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.BatchNorm1d(128)"), (":320]", ":321]"),
          checks="last_batch", words="321"),
    fault("input zeroed in the model", "plain", ("        h = self.features(x)", "        h = self.features(torch.zeros_like(x))"), checks="input_used"),
    fault("input zeroed in the model", "lightning_classes", ("self.middle(self.net(x))", "self.middle(0 * self.net(x))"), checks="input_used gradients"),
    fault("input zeroed before the model", "regression", ("inputs, targets = inputs.cuda(), targets.cuda()", "inputs, targets = torch.zeros_like(inputs).cuda(), targets.cuda()"),
          checks="inputs_vary"),
    fault("(N, 1) against (N,)", "regression", ("net(inputs).squeeze(1)", "net(inputs)"), checks="shapes", words="(25, 1) and (25,)"),
    fault("(N, 1) minus (N,)", "regression", ("        prediction = net(inputs).squeeze(1)\n        loss = criterion(prediction, targets)", "        prediction = net(inputs)\n        loss = ((prediction - targets) ** 2).mean()"),
          checks="shapes", words="(25,)"),
    fault("learning rate 0", "plain", ("lr=3e-3", "lr=0.0"), checks="weight_change"),
    fault("learning rate 1e-9", "lightning_classes", ("lr=2e-3", "lr=1e-10"), checks="weight_change"),
    fault("optimizer of another model", "regression", ("opt = torch.optim.SGD(net", "import copy\nopt = torch.optim.SGD(copy.deepcopy(net)"), checks="step_order", words="this model"),
    fault("optimizer of another model", "language", ("optimizer = torch.optim.AdamW(model", "optimizer = torch.optim.AdamW(GPT()"), checks="step_order"),
    fault("learning rate x 100", "language", ("1e-2 * min", "1.0 * min"), checks="stability one_batch finite"),
    fault("learning rate x 100", "regression", ("lr=0.02", "lr=2.0"), checks="stability one_batch finite"),
    fault("learning rate x 100", "hugging_face", ("learning_rate=5e-3", "learning_rate=0.5"), checks="stability one_batch finite"),
    fault("labels shuffled", "plain", ("y = (x @ w).argmax(1)", "y = (x @ w).argmax(1)[torch.randperm(640)]"), checks="pairing"),
    fault("labels shuffled", "lightning_classes", ("pictures[:320], labels[:320]", "pictures[:320], labels[torch.randperm(320)]"), checks="pairing"),
    fault("zero_grad between backward and step", "plain", (ZERO, ""), (STEP, ZERO + STEP), checks="step_order", words="between"),
    fault("zero_grad between backward and step", "regression", ("        opt.zero_grad()\n", ""), ("        opt.step()\n", "        opt.zero_grad()\n        opt.step()\n"),
          checks="step_order", words="between"),
    fault("step before backward", "regression", ("        loss.backward()\n        opt.step()\n", "        opt.step()\n        loss.backward()\n"), checks="step_order", words="before the backward"),
    fault("step before backward", "plain", ("        scaler.scale(loss).backward()\n        scaler.step(optimizer)\n", "        scaler.step(optimizer)\n        scaler.scale(loss).backward()\n"),
          checks="step_order", words="before the backward"),
    fault("scheduler by the batch", "plain", ("step_size=30", "step_size=3"), ("        scaler.update()\n", "        scaler.update()\n        scheduler.step()\n"),
          checks="schedule", words="StepLR"),
    fault("scheduler by the batch", "regression", ("losses = []\n", "losses = []\nscheduler = torch.optim.lr_scheduler.ExponentialLR(opt, 0.8)\n"), ("        opt.step()\n", "        opt.step()\n        scheduler.step()\n"),
          checks="schedule", words="ExponentialLR"),
    fault("pixels not scaled", "lightning_segments", ("return mask + 0.7 * torch.randn(1, 16, 16, generator=g), mask",
          "return (100 * mask + 40 * torch.rand(1, 16, 16, generator=g) + 50).round(), mask"), checks="input_scale", words="Divide", cautions=True),
    fault("target among the inputs", "regression", ("return self.x[i], self.y[i]", "return torch.cat([self.x[i][:11], self.y[i : i + 1]]), self.y[i]"), checks="target_in_input", words="column 11"),
    fault("mask among the channels", "lightning_segments", ("return mask + 0.7 * torch.randn(1, 16, 16, generator=g), mask", "return torch.cat([mask + 0.7 * torch.randn(1, 16, 16, generator=g), mask]), mask"),
          ("nn.Conv2d(1, 8, 3", "nn.Conv2d(2, 8, 3"), checks="target_in_input", words="channel 1"),
    fault("targets not shifted", "language", ("source[i + 1 : i + BLOCK + 1]", "source[i : i + BLOCK]"), checks="target_shift"),
    fault("no causal mask", "language", ("is_causal=True", "is_causal=False"), checks="causal_mask"),
    fault("validation on training data", "plain", ("TensorDataset(x[512:], y[512:])", "TensorDataset(x[:128], y[:128])"), checks="validation_overlap"),
    fault("validation on training data", "regression", ("DataLoader(val_set, batch_size=50)", "DataLoader(data, batch_size=50)"), checks="validation_overlap"),
    fault("validation on training data", "lightning_classes", ("pictures[320:], labels[320:]", "pictures[:100], labels[:100]"), checks="validation_overlap"),
    fault("one class only", "plain", ("y = (x @ w).argmax(1)", "y = 0 * (x @ w).argmax(1)"), checks="class_balance"),
    fault("black pictures", "lightning_segments", ("return mask + 0.7 * torch.randn(1, 16, 16, generator=g), mask", "return 0 * mask, mask"), checks="inputs_vary"),
    fault("dead units", "plain", ("F.relu(self.hidden(h))", "F.relu(self.hidden(h) - 1000)"), checks="gradients input_used"),
)  # fmt: skip
