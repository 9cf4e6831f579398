"""A training can begin with the weights of another model, whose classes may be others."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from absslab.cli.main import main
from absslab.core.common.errors import InputError
from absslab.core.common.notices import collect_notices
from absslab.core.common.progress import run_to_end
from absslab.core.model.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint
from absslab.core.model.mask_networks import MASK_NETS, VGGLikeCNNConfig
from absslab.core.model.pooling import POOLINGS
from absslab.core.model.separation_model import build_model
from absslab.core.training.events import EpochResult
from absslab.core.training.experiment import Experiment
from absslab.core.training.initial_weights import find_class_weights
from absslab.core.training.recording_length import fix_recording_length

CLASSES = ("alert", "knock", "pageturn", "speech")


def keep_classes(folder, kept, n_rows=None, splits=("train", "validation", "test")):
    """Remove classes from tables of weak labels, and all but some of the rows."""
    for split in splits:
        table = folder / split / "weak_labels.csv"
        rows = [line.split(",") for line in table.read_text().splitlines()]
        columns = [0, *(rows[0].index(name) for name in kept)]
        lines = [",".join(row[column] for column in columns) for row in rows]
        table.write_text("\n".join(lines[: None if n_rows is None else n_rows + 1]) + "\n")


def settings_of(new_run, folder, name="run", **training):
    return replace(
        new_run,
        data=replace(new_run.data, data_folder=str(folder)),
        training=replace(new_run.training, **training),
        run=replace(
            new_run.run, save_path=str(Path(new_run.run.save_path).with_name(f"{name}.ckpt"))
        ),
    )


def prepare(settings):
    with collect_notices() as notices:
        trainer = run_to_end(Experiment(settings).prepare())
    return trainer, [str(notice) for notice in notices]


@pytest.fixture
def folder(mixtures, tmp_path):
    return shutil.copytree(mixtures, tmp_path / "mixtures")


def test_the_same_classes_begin_with_the_same_model(new_run, checkpoint, folder):
    trainer, notices = prepare(settings_of(new_run, folder, initial_weights=str(checkpoint)))
    assert notices == []
    expected = read_checkpoint(checkpoint)["weights"]
    for model in (trainer.model, trainer.average.model):
        for name, weights in model.state_dict().items():
            assert torch.equal(weights, expected[name]), name


def test_classes_are_copied_by_name_and_new_ones_begin_anew(new_run, checkpoint, folder):
    """Pageturn is left out, alert is called bell, and the order is another one."""
    for split in ("train", "validation", "test"):
        table = folder / split / "weak_labels.csv"
        table.write_text(table.read_text().replace("alert", "bell"))
    keep_classes(folder, ("speech", "bell", "knock"))
    settings = settings_of(new_run, folder, initial_weights=str(checkpoint))
    trainer, notices = prepare(settings)
    fresh, _ = prepare(replace(settings, training=replace(settings.training, initial_weights=None)))
    assert len(notices) == 1
    assert "model.ckpt does not know 1 class: bell, which begin without knowledge" in notices[0]
    assert "it also knows 2 classes: alert, pageturn, which the training leaves out" in notices[0]
    expected = read_checkpoint(checkpoint)["weights"]
    assert list(trainer.model.classes) == ["speech", "bell", "knock"]
    untrained = fresh.model.state_dict()
    per_class = find_class_weights(settings.models, 4)
    assert set(per_class) == {
        f"mask_net.{layer}.{part}"
        for layer in ("to_masks", "sharpen.3")
        for part in ("weight", "bias")
    }
    for name, weights in trainer.model.state_dict().items():
        if name not in per_class:
            assert torch.equal(weights, expected[name]), name
            continue
        assert torch.equal(weights[[0, 2, 3]], expected[name][[3, 1, 4]]), name
        assert torch.equal(weights[1], untrained[name][1]), name


@pytest.mark.parametrize("masks", ["independent", "competing"])
@pytest.mark.parametrize("model_type", MASK_NETS)
def test_each_network_has_the_classes_as_the_first_axis_of_their_weights(
    new_run, model_type, masks
):
    """A layer with as many channels as there are classes is none of them."""
    config = MASK_NETS[model_type][0].default_config()
    model = replace(new_run.model, model_type=model_type, masks=masks)
    configs = replace(new_run, model=model, mask_net=config).models
    for n_classes in (5, 64):
        weights = build_model(configs, [str(k) for k in range(n_classes)]).state_dict()
        n_rows = find_class_weights(configs, n_classes)
        counts = {len(weights[name]) / n for name, n in n_rows.items()}
        n_outputs = n_classes + (masks == "competing")
        assert n_outputs in counts
        assert counts <= {n_classes, n_outputs}


def test_the_presence_of_a_class_is_copied_too(new_run, folder, tmp_path):
    mask_net = MASK_NETS["Presence_U_Net"][0](
        presence_channels=(8, 8, 8), presence_context=8, presence_drop_out=0.0
    )
    model = replace(new_run.model, model_type="Presence_U_Net")
    settings = replace(settings_of(new_run, folder), model=model, mask_net=mask_net)
    known, _ = prepare(settings)
    save_checkpoint(tmp_path / "known.ckpt", known.model, settings.models, {})
    keep_classes(folder, CLASSES[::-1][:3])
    changed = replace(settings.training, initial_weights=str(tmp_path / "known.ckpt"), seed=3)
    trainer, _ = prepare(replace(settings, training=changed))
    kept = [3, 2, 1]
    before, now = (of.model.mask_net for of in (known, trainer))
    assert torch.equal(now.to_presence.weight, before.to_presence.weight[kept])
    assert torch.equal(now.to_masks.bias, before.to_masks.bias[[*kept, 4]])
    rows = before.to_bins.weight.unflatten(0, (5, 4))[[*kept, 4]]
    assert torch.equal(now.to_bins.weight.unflatten(0, (4, 4)), rows)


def test_a_new_class_of_few_recordings_learns_faster_than_from_scratch(new_run, folder, tmp_path):
    few = shutil.copytree(folder, tmp_path / "few")
    keep_classes(folder, CLASSES[:3])
    keep_classes(few, CLASSES, n_rows=8, splits=("train",))
    options = dict(pair_probability=0.0, roll=False, equaliser=0.0)
    new_run = replace(new_run, augmentation=replace(new_run.augmentation, **options))

    def train(folder, name, **training):
        settings = settings_of(new_run, folder, name, **training)
        with collect_notices():
            events = list(Experiment(settings).run())
        return [event.metrics["loss"] for event in events if isinstance(event, EpochResult)]

    train(folder, "known", n_epochs=10)
    begun = train(few, "begun", n_epochs=3, initial_weights=str(tmp_path / "known.ckpt"))
    scratch = train(few, "scratch", n_epochs=3)
    assert all(ours < theirs for ours, theirs in zip(begun, scratch, strict=True))
    made = load_checkpoint(tmp_path / "begun.ckpt").made
    known = load_checkpoint(tmp_path / "known.ckpt").made
    assert made["settings"]["training"]["initial_weights"] == str(tmp_path / "known.ckpt")
    assert set(known["trained_on"]) <= set(made["trained_on"])


def test_a_run_that_began_with_a_model_resumes_without_it(new_run, checkpoint, folder, tmp_path):
    copied = shutil.copy(checkpoint, tmp_path / "copied.ckpt")
    settings = settings_of(new_run, folder, initial_weights=str(copied))
    list(Experiment(settings).run())
    Path(copied).unlink()
    last = tmp_path / "run" / "last.ckpt"
    made = read_checkpoint(last)["made"]
    events = list(Experiment.resume(last, {"n_epochs": 3}).run())
    assert [event.epoch for event in events if isinstance(event, EpochResult)] == [3]
    assert set(made["trained_on"]) == set(read_checkpoint(last)["made"]["trained_on"])


def refuse(settings, match):
    with pytest.raises(InputError, match=match):
        prepare(settings)
    with pytest.raises(InputError, match=match):
        list(Experiment(settings).run())
    assert not Path(settings.run.save_path).with_suffix("").exists()


def test_a_model_of_another_architecture_is_refused_in_one_line(new_run, checkpoint, folder):
    settings = settings_of(new_run, folder, initial_weights=str(checkpoint))
    mask_net = replace(settings.mask_net, context=16)
    features = replace(settings.features, n_mels=40)
    refuse(
        replace(settings, mask_net=mask_net, features=features),
        "has n_mels 32 instead of 40, context 8 instead of 16: initial weights fit only",
    )
    model = replace(settings.model, model_type="VGG_like_CNN")
    refuse(
        replace(settings, model=model, mask_net=VGGLikeCNNConfig()),
        "has model_type U_Net instead of VGG_like_CNN: .* or train without --initial_weights",
    )
    model = replace(settings.model, masks="independent")
    refuse(replace(settings, model=model), "has masks competing instead of independent")


def test_initial_weights_that_are_no_model_are_refused(new_run, folder, tmp_path):
    path = tmp_path / "no.ckpt"
    refuse(settings_of(new_run, folder, initial_weights=str(path)), "no.ckpt does not exist")
    path.write_text("no model")
    refuse(settings_of(new_run, folder, initial_weights=str(path)), "no.ckpt is not a checkpoint")


def test_beginning_and_going_on_are_not_mixed(checkpoint, capsys):
    last = checkpoint.with_suffix("") / "last.ckpt"
    flags = ["--checkpoint_path", str(last), "--initial_weights", str(checkpoint)]
    assert main(["train", *flags]) == 2
    assert "--initial_weights begins a new training, --checkpoint_path goes on" in (
        capsys.readouterr().err
    )


def with_pooling(settings, pooling, **changes):
    config = POOLINGS[pooling].config(**changes)
    model = replace(settings.model, pooling=pooling, rescale=True)
    return replace(settings, model=model, pooling=config)


@pytest.mark.parametrize("pooling", ["adaptive_GWRP", "FC", "CNN_FC", "RNN_FC", "attention"])
def test_what_a_pooling_has_learned_of_a_class_is_copied(new_run, folder, tmp_path, pooling):
    settings = with_pooling(settings_of(new_run, folder), pooling)
    known, _ = prepare(settings)
    with torch.no_grad():
        for weights in [*known.model.pooling.parameters(), *known.model.rescaler.parameters()]:
            weights.normal_()
    configs = fix_recording_length(settings.models, known.data.train)
    save_checkpoint(tmp_path / "known.ckpt", known.model, configs, {})
    keep_classes(folder, CLASSES[::-1][:3])
    changed = replace(settings.training, initial_weights=str(tmp_path / "known.ckpt"), seed=3)
    trainer, _ = prepare(replace(settings, training=changed))
    places = [known.model.classes.index(name) for name in trainer.model.classes]
    for part in ("pooling", "rescaler"):
        expected = getattr(known.model, part).state_dict()
        for name, weights in getattr(trainer.model, part).state_dict().items():
            is_shared = name.startswith("recurrent.")
            before = expected[name] if is_shared else expected[name][places]
            assert torch.equal(weights, before), name


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (("GAP", {}), ("FC", {})),
        (("RNN_FC", {"rnn_cell": "GRU"}), ("RNN_FC", {"rnn_cell": "LSTM"})),
        (("FC", {"fc_sort": True}), ("FC", {"fc_sort": False})),
        (("FC", {"recording_frames": 9}), ("FC", {})),
    ],
)
def test_another_pooling_begins_anew(new_run, folder, tmp_path, before, now):
    old = with_pooling(settings_of(new_run, folder), before[0], **before[1])
    known, _ = prepare(old)
    configs = fix_recording_length(old.models, known.data.train)
    save_checkpoint(tmp_path / "known.ckpt", known.model, configs, {})
    settings = with_pooling(settings_of(new_run, folder), now[0], **now[1])
    changed = replace(settings.training, initial_weights=str(tmp_path / "known.ckpt"))
    trainer, notices = prepare(replace(settings, training=changed))
    assert ["was not trained with this pooling" in notice for notice in notices] == [True]
    untrained, _ = prepare(settings)
    for name, weights in trainer.model.pooling.state_dict().items():
        assert torch.equal(weights, untrained.model.pooling.state_dict()[name]), name
    mask_net = known.model.mask_net.state_dict()
    for name, weights in trainer.model.mask_net.state_dict().items():
        assert torch.equal(weights, mask_net[name]), name


def with_network(settings, **changes):
    net = {"mask_n_blocks": 2, "mask_conv_o_c": (4,), "mask_dropout_probs": (0.0,)}
    model = replace(settings.model, model_type="VGGLikeMaskModel", masks="independent")
    config = MASK_NETS["VGGLikeMaskModel"].config(**net | changes)
    return replace(settings, model=model, mask_net=config)


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_conv_o_c": (4, 7), "mask_conv_k_f": (3, 3), "mask_activations": ("lr", "sig")},
        {"mask_dropout_probs": (0.0, 0.5), "mask_pool_k_f": (0, 0)},
    ],
)
def test_the_same_network_may_be_written_otherwise(new_run, folder, tmp_path, changes):
    settings = with_network(settings_of(new_run, folder))
    known, _ = prepare(settings)
    save_checkpoint(tmp_path / "known.ckpt", known.model, settings.models, {})
    features = replace(settings.features, f_max=settings.features.highest)
    other = replace(with_network(settings_of(new_run, folder), **changes), features=features)
    changed = replace(other.training, initial_weights=str(tmp_path / "known.ckpt"))
    trainer, _ = prepare(replace(other, training=changed))
    weights = known.model.mask_net.state_dict()
    for name, weight in trainer.model.mask_net.state_dict().items():
        assert torch.equal(weight, weights[name]), name


def test_masks_of_groups_of_channels_are_refused(new_run, folder, tmp_path):
    settings = with_network(settings_of(new_run, folder), mask_conv_groups=(1, 2))
    known, _ = prepare(settings)
    save_checkpoint(tmp_path / "known.ckpt", known.model, settings.models, {})
    changed = replace(settings.training, initial_weights=str(tmp_path / "known.ckpt"))
    with pytest.raises(InputError, match="initial weights can't be copied by class"):
        prepare(replace(settings, training=changed))
