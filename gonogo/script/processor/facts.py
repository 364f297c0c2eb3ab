"""What the pass on the processor saw. Measurements: thresholds are the judge's."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from gonogo.learning.loss_calls import LossCall, NumbersOrNot, SeenError
from gonogo.learning.optimizer_facts import OptimizerFacts, SchedulerFacts
from gonogo.script.facts import PassFacts

MORE_THAN_TENSORS = "holds more than tensors"  # of a checkpoint: torch.load refuses it by default


class LossSeries(NumbersOrNot):
    """The losses that one line of the script called `backward` on."""

    where: str = Field("", description="file:line of the script")
    steps: list[int] = Field(default_factory=list, description="optimizer steps done before each")
    values: list[float | None] = Field(default_factory=list, description="null: NaN or infinite")


class NotFinite(NumbersOrNot):
    """Where NaN or infinity was first seen."""

    what: str = Field(description="input, parameter, module, loss or gradient")
    name: str = Field("", description="of the module, parameter or argument")
    where: str = Field("", description="file:line of the backward call")
    step: int = Field(0, description="optimizer steps done before it")
    kind: str = Field("", description="NaN or infinity")
    batch: str = Field("", description="which batch of which loader")


class NotLearning(NumbersOrNot):
    """A parameter, or what of it was missing."""

    name: str
    module: str = Field(description="the module that owns it")
    values: int = 0
    called: bool = Field(True, description="its module took part in training steps")
    zero: bool = Field(False, description="a gradient came, and was zero in every value at every step")
    part: str = Field("", description="outermost module that it belongs to")


class ParameterFacts(NumbersOrNot):
    total: int = Field(0, description="parameters of all modules that took part in training steps")
    values: int = 0
    modules: int = Field(0, description="modules with parameters of their own")
    unreached: list[NotLearning] = Field(default_factory=list, description="held by an optimizer, never any gradient")
    unheld: list[NotLearning] = Field(default_factory=list, description="got gradients, held by no optimizer")
    frozen_held: list[NotLearning] = Field(default_factory=list, description="requires_grad=False, held")
    twice_held: str = Field("", description="outermost module of which two working optimizers hold the same parameters")
    parts_unheld: list[str] = Field(default_factory=list, description="outermost modules of which nothing is held")
    gradient_norms: dict[str, float] = Field(default_factory=dict, description="module → median norm over the steps")
    first_gradient_norms: dict[str, float] = Field(default_factory=dict, description="the same at the first steps")


class ModeFacts(NumbersOrNot):
    """In which mode modules were called."""

    training_calls: int = 0
    training_calls_in_eval: int = Field(0, description="with gradients and a backward pass, module.training False")
    eval_since_validation: bool = Field(False, description="in training mode before the first validation only")
    layers_that_mind: list[str] = Field(default_factory=list, description="kinds of layer for which the mode matters")
    validation_calls: int = 0
    validation_in_train_mode: int = Field(0, description="without gradients, of another loader, module.training True")
    sampling_in_train_mode: int = Field(0, description="likewise, where no other loader was read")
    validation_where: str = ""
    trained_validated: bool = Field(False, description="the model that is trained was called in validation, too")
    copies_validated: int = Field(0, description="calls of copies of it in validation, as of averaged weights")
    copy_as_begun: str = Field("", description="the copy, where it held to the end what the model held at the start")
    validation_layers: list[str] = Field(default_factory=list)
    graphs_for_nothing: int = Field(0, description="calls on another loader's batches with a graph, no backward")
    graphs_where: str = ""
    backward_without_graph: str = Field("", description="file:line of a backward on a loss without a graph")
    called_without_grad: int = Field(0, description="calls of the model without gradients just before that")


class TensorFacts(NumbersOrNot):
    """One tensor argument of the model, or one target, over the training steps."""

    name: str
    dtype: str = ""
    shape: list[int] = Field(default_factory=list, description="of the first batch")
    batches: int = 0
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = Field(False, description="all values are whole numbers")
    nan_batches: int = 0
    constant_batches: int = Field(0, description="every value of the batch is the same")
    constant_samples: int = Field(0, description="samples of one value throughout")
    same_samples: int = Field(0, description="batches in which all samples are the same")
    samples: int = 0
    distinct_samples: int = 0


class Reach(NumbersOrNot):
    """Whether one argument of the model reaches its output."""

    argument: str
    shape: list[int] = Field(default_factory=list)
    zeroed: float | None = Field(None, description="change of the output / its spread, this argument zeroed")
    shuffled: float | None = Field(None, description="the same, samples of this argument exchanged")


class ProbeFacts(NumbersOrNot):
    """The model called again, after the steps, in eval mode and without gradients."""

    model: str = ""
    reach: list[Reach] = Field(default_factory=list)
    all_shuffled: float | None = Field(None, description="all arguments exchanged between samples")
    deterministic: bool | None = Field(None, description="twice the same input gave the same output")
    mixed: float | None = Field(None, description="change of other samples' outputs / spread, one sample changed")
    mixed_by: str = Field("", description="layer that takes the first axis for time: `rnn`, a GRU")
    looks_ahead: float | None = Field(None, description="change of earlier outputs / spread, last token changed")
    why_not: str = ""


class Memorised(NumbersOrNot):
    """The script's own step, on one batch again and again, with the same random numbers each time."""

    losses: list[float | None] = Field(default_factory=list)
    why_not: str = ""


class LoaderFacts(NumbersOrNot):
    """One DataLoader."""

    name: str
    role: str = Field("", description="train, validation or unused")
    batches: int = Field(0, description="read")
    length: int | None = Field(None, description="batches of an epoch")
    items: int | None = None
    batch_size: int | None = None
    drop_last: bool = False
    workers: int = Field(0, description="asked for by the script")
    seconds_a_batch: float = 0
    shuffled: bool | None = None


class DataFacts(NumbersOrNot):
    inputs: list[TensorFacts] = Field(default_factory=list)
    targets: list[TensorFacts] = Field(default_factory=list)
    loaders: list[LoaderFacts] = Field(default_factory=list)
    batches: int = Field(0, description="given to the model in training steps")
    distinct_batches: int = 0
    copied_target: str = Field("", description="where in the input the target stands, scaled or not")
    copied_share: float = 0
    shared_samples: int | None = Field(None, description="validation samples also seen, or listed, in training")
    shared_of: int = 0
    shared_how: str = ""
    independence_p: float | None = Field(None, description="of: targets do not depend on inputs")
    pairs: int = Field(0, description="distinct inputs behind it")
    masks: bool = Field(
        False, description="the targets are masks of pixels: what is alike in all of them is soon learned"
    )
    batch_norm_alone: str = Field("", description="batch norm that sees one value a channel in a batch of one")


class KeptGraph(NumbersOrNot):
    alive: int = Field(0, description="graphs of earlier steps still held at the end")
    steps: int = 0
    holder: str = Field("", description="variable of the script that holds one")


class Reached(NumbersOrNot):
    """What comes once in a while; steps done before it, None: not reached."""

    validation: int | None = None
    checkpoint: int | None = None
    checkpoint_where: str = ""
    saved: list[str] = Field(default_factory=list, description="files that the script saved after a step")
    reload: str = Field("", description="what loading that file again gave: `loaded`, MORE_THAN_TENSORS, or the error")
    training_after_validation: bool = False
    epoch_ended_early: bool = False


class Timing(NumbersOrNot):
    step_s: float | None = Field(None, description="median, this processor")
    data_s: float | None = Field(None, description="median of the time in which a step waited for its batch")
    first_step_s: float | None = Field(None, description="from the start of the script to its first step's end")


class ProcessorFacts(PassFacts):
    model_config = ConfigDict(ser_json_inf_nan="constants")

    wanted_steps: int = 0
    losses: list[LossSeries] = Field(default_factory=list)
    not_finite: NotFinite | None = None
    parameters: ParameterFacts = Field(default_factory=ParameterFacts)
    optimizers: list[OptimizerFacts] = Field(default_factory=list)
    schedulers: list[SchedulerFacts] = Field(default_factory=list)
    modes: ModeFacts = Field(default_factory=ModeFacts)
    loss_calls: list[LossCall] = Field(default_factory=list)
    data: DataFacts = Field(default_factory=DataFacts)
    probes: list[ProbeFacts] = Field(default_factory=list)
    memorised: Memorised = Field(default_factory=Memorised)
    kept: KeptGraph = Field(default_factory=KeptGraph)
    reached: Reached = Field(default_factory=Reached)
    timing: Timing = Field(default_factory=Timing)
    no_module: bool = Field(False, description="no nn.Module was called in training steps")
    explained: SeenError = Field(default_factory=SeenError)
    disturbed: bool = Field(False, description="ended after the script's batches or epochs had been changed")
    broken: dict[str, str] = Field(default_factory=dict, description="watcher → why it could not see")
