import torch
from torch.utils.data import Dataset
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

set_seed(0)
VOCAB, LENGTH = 32, 16


class Text(Dataset):
    def __init__(self, count, seed):
        steps = torch.tensor([1, 2, 5])
        generator = torch.Generator().manual_seed(seed)
        starts = torch.randint(VOCAB, (count, 1), generator=generator)
        strides = steps[torch.randint(3, (count, 1), generator=generator)]
        self.tokens = (starts + strides * torch.arange(LENGTH)) % VOCAB

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, i):
        return {"input_ids": self.tokens[i], "labels": self.tokens[i].clone()}


config = GPT2Config(
    vocab_size=VOCAB, n_positions=LENGTH, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
)  # fmt: skip
model = GPT2LMHeadModel(config)
arguments = TrainingArguments(
    output_dir="out", per_device_train_batch_size=16, gradient_accumulation_steps=2, learning_rate=5e-3,
    num_train_epochs=30, eval_strategy="steps", eval_steps=500, save_steps=500, bf16=True, logging_steps=1,
    report_to=[], disable_tqdm=True, dataloader_num_workers=2, seed=0,
)  # fmt: skip
trainer = Trainer(model=model, args=arguments, train_dataset=Text(512, 1), eval_dataset=Text(64, 2))
trainer.train()
trainer.save_model("out/final")
