"""Scores of a LightningModule: what validation_step logs on the outputs of the deployed file."""

import numpy as np
import pytest
import torch

lightning = pytest.importorskip("lightning", reason="needs the extra lightning")

from paretune.search.errors import UserError  # noqa: E402
from paretune.search.tasks.lightning import lightning_task  # noqa: E402
from support.lightning_modules import Collects, Net, Points  # noqa: E402

MODULES = "support.lightning_modules"


def scored(name: str, part: str = "validation"):
    torch.manual_seed(1)
    made = lightning_task(module=f"{MODULES}:{name}", data=f"{MODULES}:Points")
    network = made.model().eval()

    def predict(inputs: np.ndarray) -> np.ndarray:
        return network(torch.as_tensor(inputs)).detach().numpy()

    return made.score(predict, part), network


def value(score: object) -> float:
    return score if isinstance(score, float) else score[1](score[0])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("module", [Net, Collects])
def test_scores_equal_those_of_a_trainer(module):
    scores, network = scored(module.__name__)
    judged = module()
    judged.load_state_dict(network.state_dict(), strict=False)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    [expected] = trainer.validate(judged, Points(), verbose=False)

    assert {name.replace("/", "_") for name in expected} == set(scores)
    for name, number in expected.items():
        assert value(scores[name.replace("/", "_")]) == pytest.approx(number, abs=1e-6), name


def test_means_over_examples_have_a_value_for_each_example():
    scores, _ = scored("Net")

    assert len(scores["val_acc"][0]) == 96
    assert set(scores["val_acc"][0]) == {0.0, 1.0}
    assert len(scores["val_loss"][0]) == 96
    assert isinstance(scores["val_f1"], float)  # F1 is no mean of examples
    assert isinstance(scores["rmse"], float)  # the mean of the roots of two batches
    assert isinstance(scores["worst"], float)


def test_test_part_is_scored_by_validation_step():
    validation, _ = scored("Net")
    test, _ = scored("Net", "test")

    assert set(test) == set(validation)
    assert value(test["val_loss"]) != value(validation["val_loss"])


def test_scoring_twice_gives_the_same():
    made = lightning_task(module=f"{MODULES}:Net", data=f"{MODULES}:Points")
    network = made.model().eval()

    def predict(inputs: np.ndarray) -> np.ndarray:
        return network(torch.as_tensor(inputs)).detach().numpy()

    first, second = made.score(predict, "validation"), made.score(predict, "validation")

    assert {k: value(v) for k, v in first.items()} == {k: value(v) for k, v in second.items()}


def test_step_that_logs_nothing_is_refused():
    with pytest.raises(UserError, match=r"logs no number over the epoch; write self.log"):
        scored("Silent")
