"""A Hugging Face Trainer: GPT-2 of two layers, bf16, accumulation 2, evaluation and checkpoint every 40 steps."""

import sys

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments


class Tokens(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 4096

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        tokens = torch.randint(200, (64,))
        return {"input_ids": tokens, "labels": tokens}


if __name__ == "__main__":
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=2000, n_positions=64, n_embd=256, n_layer=2, n_head=4))
    arguments = TrainingArguments(
        output_dir=sys.argv[1], per_device_train_batch_size=8, gradient_accumulation_steps=2, bf16=True,
        num_train_epochs=1, logging_steps=1, report_to=[], eval_strategy="steps", eval_steps=40, save_steps=40,
        disable_tqdm=True,
    )  # fmt: skip
    Trainer(model, arguments, train_dataset=Tokens(), eval_dataset=Tokens()).train()
