"""TransformersTask: a model folder with data sets, collator and metrics of a Trainer."""

import json

import numpy as np
import pytest
import torch

pytest.importorskip("transformers", reason="needs the extra transformers")

from paretune.inputs import call
from paretune.search.errors import UserError
from paretune.search.tasks.transformers import transformers_task
from support.transformers_pieces import LONGEST, save_bert

PIECES = "support.transformers_pieces"

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_bert(tmp_path_factory.mktemp("models") / "tiny")


def task(folder, **options):
    pieces = {"data": f"{PIECES}:datasets", "collator": f"{PIECES}:collate"}
    return transformers_task(model=str(folder), **{**pieces, **options})


def predictor(network):
    network.eval()

    def predict(inputs):
        tensors = {name: torch.as_tensor(each) for name, each in inputs.items()}
        return call(network, tensors).detach().numpy()

    return predict


def test_model_has_the_weights_of_the_folder_and_gives_its_logits(folder):
    from transformers import BertForSequenceClassification

    own = BertForSequenceClassification.from_pretrained(folder).eval()
    made = task(folder)
    inputs, _ = next(made.batches("validation"))

    outputs = call(made.model().eval(), inputs)

    assert set(inputs) == {"input_ids", "attention_mask"}
    assert torch.allclose(outputs, own(**inputs).logits, atol=1e-5)


def test_model_without_weights_follows_the_seed_of_torch(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    made = task(tmp_path)
    weights = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        weights.append(made.model().network.classifier.weight)

    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_lengths_that_vary_are_dynamic_axes(folder):
    assert task(folder).dynamic == {
        "input_ids": {0: "length"},
        "attention_mask": {0: "length"},
    }
    assert task(folder, data_args={"fixed": True}).dynamic == {}


@pytest.mark.parametrize(
    ("kind", "collator", "values"),
    [
        ("BertForSequenceClassification", "collate", {}),
        ("BertForTokenClassification", "tag", {"num_labels": 2}),
        ("BertForMaskedLM", "tag", {}),
        ("BertLMHeadModel", "tag", {"is_decoder": True}),
    ],
)
def test_loss_of_outputs_equals_the_loss_of_the_model(tmp_path, kind, collator, values):
    made = task(save_bert(tmp_path / kind, kind, **values), collator=f"{PIECES}:{collator}")
    network = made.model().eval()
    inputs, labels = next(made.batches("train"))

    loss = made.loss(call(network, inputs), labels)
    expected = network.network(**inputs, labels=labels).loss
    loss.backward()

    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert network.network.bert.embeddings.word_embeddings.weight.grad.abs().sum() > 0


def test_own_loss_replaces_that_of_the_model(folder):
    made, halved = task(folder), task(folder, loss=f"{PIECES}:half_loss")
    outputs, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])

    assert halved.loss(outputs, labels).item() == pytest.approx(made.loss(outputs, labels) / 2)


def test_scores_are_those_of_compute_metrics_on_all_examples(folder):
    from transformers import EvalPrediction

    from support.transformers_pieces import compute_metrics

    made = task(folder, metric=f"{PIECES}:compute_metrics", batch=7)
    predict = predictor(made.model())
    scores = made.score(predict, "validation")

    logits, labels = [], []
    for inputs, targets in made.batches("validation"):
        logits.append(predict(inputs))
        labels.append(targets.numpy())
    logits, labels = np.concatenate(logits), np.concatenate(labels)
    expected = compute_metrics(EvalPrediction(predictions=logits, label_ids=labels))
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))

    assert set(scores) == {"loss", "share", "squared"}
    assert scores["loss"] == pytest.approx(loss.item(), rel=1e-5)
    for name in ("share", "squared"):
        rows, summary = scores[name]
        assert len(rows) == 40
        assert summary(rows) == pytest.approx(expected[name])
    rows = np.repeat(np.arange(20), 2)  # a bootstrap sample
    hits = logits.argmax(1) == labels
    assert scores["squared"][1](rows) == pytest.approx(hits[rows].mean() ** 2)


def test_predictions_of_several_lengths_are_filled_up(tmp_path):
    bert = save_bert(tmp_path / "tags", "BertForTokenClassification", num_labels=2)
    made = task(bert, collator=f"{PIECES}:tag", metric=f"{PIECES}:compute_metrics", batch=3)
    share, summary = made.score(predictor(made.model()), "validation")["share"]

    assert len(share) == 40
    assert 0 <= summary(share) <= 1


def test_folder_with_a_tokenizer_pads_as_a_trainer(tmp_path):
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    bert = save_bert(tmp_path / "tokens")
    words = {f"w{i}": i for i in range(1, 40)} | {"[PAD]": 0}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w1"))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(bert)
    made = task(bert, collator=None)
    inputs, labels = next(made.batches("validation"))

    assert inputs["input_ids"].shape[0] == len(labels) == 16
    assert inputs["input_ids"].shape[1] <= LONGEST
    assert torch.equal(inputs["attention_mask"], (inputs["input_ids"] != 0).long())


def test_data_without_a_test_part_has_none(folder):
    made = task(folder, data_args={"test": False})

    assert made.parts == ("train", "validation")
    assert made.batches("test") is None


def test_version_changes_with_the_weights(folder, tmp_path):
    other = save_bert(tmp_path / "other", hidden_dropout_prob=0.2)

    assert task(folder).version == task(folder).version != task(other).version


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"model": "nowhere"}, "model: nowhere is no folder with a config.json; save_pretrained"),
        ({"architecture": "BertForSequence"}, "no model class BertForSequence; did you mean"),
        ({"data": f"{PIECES}:missing"}, "data: .* has no attribute 'missing'; is it installed"),
        ({"data_args": {"size": 3}}, "data: .*datasets raised TypeError"),
        ({"data": f"{PIECES}:lists"}, "an example of the data is a list; give dicts"),
        ({"data": f"{PIECES}:unlabelled", "collator": None}, r"a batch has no labels \(labels\)"),
        ({"data": f"{PIECES}:save_bert", "data_args": {}}, "raised TypeError"),
        ({"collator": f"{PIECES}:CLASSES"}, "collator: .* is a int, not a function"),
        ({"collator": f"{PIECES}:tag"}, "BertForSequenceClassification cannot compute a batch"),
    ],
)
def test_what_cannot_be_right_is_refused(folder, options, text):
    with pytest.raises(UserError, match=text):
        task(
            **{
                "folder": options.get("model", folder),
                **{k: v for k, v in options.items() if k != "model"},
            }
        )


def test_metric_without_a_number_is_refused(folder):
    made = task(folder, metric=f"{PIECES}:no_number")

    with pytest.raises(UserError, match="metric returned no number, but report"):
        made.score(predictor(made.model()), "validation")


def test_loss_that_differs_from_the_models_is_refused(folder, monkeypatch):
    from transformers import BertForSequenceClassification

    monkeypatch.setattr(
        BertForSequenceClassification,
        "loss_function",
        lambda self, labels, pooled_logits, config: pooled_logits.square().mean(),
    )
    with pytest.raises(
        UserError, match=r"cannot be computed from its outputs alone .* loss: m:loss"
    ):
        task(folder)


def test_weights_that_can_run_code_are_refused(folder, tmp_path):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")

    with pytest.raises(UserError, match=r"has no .safetensors file"):
        task(tmp_path)


def test_config_without_a_class_asks_for_one(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    del config["architectures"]
    (tmp_path / "config.json").write_text(json.dumps(config))

    with pytest.raises(UserError, match="names no class; type architecture"):
        task(tmp_path)
    assert task(tmp_path, architecture="BertForSequenceClassification").model()
