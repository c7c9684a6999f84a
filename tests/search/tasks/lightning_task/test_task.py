"""LightningTask: the network, the batches and the loss of a module."""

import pytest
import torch
from torch import nn

pytest.importorskip("lightning", reason="needs the extra lightning")

from paretune.inputs import call
from paretune.search.errors import UserError
from paretune.search.tasks.lightning import lightning_task

MODULES = "support.lightning_modules"


def task(name: str = "Net", **options: object):
    return lightning_task(module=f"{MODULES}:{name}", **{"data": f"{MODULES}:Points", **options})


def test_model_is_the_module_without_metrics():
    network = task(module_args={"width": 8}).model()

    assert [name for name, _ in network.named_children()] == ["net"]
    assert network(torch.zeros(2, 6)).shape == (2, 3)
    assert sum(each.numel() for each in network.parameters()) == 6 * 8 + 8 + 8 * 3 + 3


def test_model_follows_the_seed_of_torch():
    made = task()
    weights = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        weights.append(made.model().net[0].weight)

    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_loss_equals_the_one_of_the_modules_own_step():
    from support.lightning_modules import Net

    made = task()
    network = made.model().train()
    module = Net()
    module.load_state_dict(network.state_dict(), strict=False)
    module.log = lambda *args, **kwargs: None
    inputs, targets = next(made.batches("train"))

    loss = made.loss(network(inputs), targets)
    expected = module.training_step(targets["batch"], 0)
    loss.backward()
    expected.backward()

    assert loss.item() == pytest.approx(expected.item())
    assert torch.allclose(network.net[0].weight.grad, module.net[0].weight.grad)


def test_logits_of_integer_labels_are_class_scores():
    assert task().class_scores is True
    assert task("Bounded").class_scores is False


def test_training_lowers_the_loss():
    torch.manual_seed(0)
    made = task()
    network = made.model().train()
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    losses = []
    for _ in range(6):
        for inputs, targets in made.batches("train"):
            loss = made.loss(call(network, inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())

    assert losses[-1] < losses[0] / 2


def test_network_names_the_child_that_the_steps_call():
    made = task("CallsChild", network="net")
    network = made.model()
    inputs, targets = next(made.batches("validation"))

    assert isinstance(network, nn.Sequential)
    assert made.loss(network(inputs), targets).ndim == 0


def test_random_inputs_have_the_same_random_numbers_in_the_loss():
    made = task("Mixed")
    network = made.model()

    for inputs, targets in made.batches("train"):
        outputs = network(inputs)
        first, second = made.loss(outputs, targets), made.loss(outputs, targets)
        order = made._steps.module.seen
        x, _ = targets["batch"]

        assert torch.equal(first, second)
        assert torch.allclose(0.7 * x + 0.3 * x[order], inputs)


def test_data_module_is_prepared_once_and_set_up_for_each_stage():
    made = task()
    list(made.batches("validation"))
    list(made.batches("test"))
    list(made.batches("test"))

    assert made._datamodule.calls == ["prepare", "fit", "test"]
    assert made.parts == ("train", "validation", "test")


def test_checkpoint_gives_its_weights(tmp_path):
    from support.lightning_modules import Net

    torch.manual_seed(5)
    module = Net()
    file = tmp_path / "last.ckpt"
    torch.save({"state_dict": module.state_dict(), "epoch": 3}, file)
    made = task(checkpoint=str(file))

    assert torch.equal(made.model().net[0].weight, module.net[0].weight)
    assert made.version != task().version


def test_checkpoint_of_another_width_is_refused(tmp_path):
    from support.lightning_modules import Net

    file = tmp_path / "last.ckpt"
    torch.save({"state_dict": Net(width=4).state_dict()}, file)

    with pytest.raises(UserError, match=r"last.ckpt cannot be loaded into Net.*module_args"):
        task(checkpoint=str(file))


@pytest.mark.parametrize(
    ("module", "options", "text"),
    [
        ("Manual", {}, "optimizes manually .* Return one loss"),
        ("Twice", {}, "training_step calls the network more than once"),
        ("ReadsEpoch", {}, "training_step reads trainer.current_epoch, and no Trainer runs"),
        ("TrainsLoss", {}, "uses the weight log_scale outside of the network"),
        ("NoLoss", {}, "training_step returned a NoneType; return the loss"),
        ("Grouped", {}, r"calls self\(...\) with list; .* unpack the group"),
        ("CallsChild", {}, r"does not call self\(...\).*network: net"),
        ("Net", {"network": "body"}, "Net has no attribute body; its children: net"),
        ("Net", {"data": f"{MODULES}:NoValidation"}, "NoValidation has no val_dataloader"),
        ("Net", {"data": None}, "Net has no train_dataloader; name a data module"),
        ("Net", {"data": f"{MODULES}:TwoLoaders"}, "val_dataloader returned a list; return one"),
        ("Net", {"module_args": {"depth": 2}}, r"raised TypeError.*depth.*module_args"),
        ("Missing", {}, "has no attribute 'Missing'; is it installed"),
        ("function", {}, "function is a str, not a LightningModule"),
        ("Net", {"checkpoint": "no.ckpt"}, "checkpoint: there is no file no.ckpt"),
    ],
)
def test_what_cannot_be_right_is_refused(module, options, text):
    with pytest.raises(UserError, match=text):
        list(task(module, **options).batches("validation"))
