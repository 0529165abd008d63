"""Sliding windows: the same as MONAI's, without seams, whatever memory there is."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.inferers import SlidingWindowInferer

from ParetoSegLib.core.errors import DeviceError, ModelFolderError
from ParetoSegLib.core.geometry import grown
from ParetoSegLib.model.calibration import OUTSIDE_LOGIT
from ParetoSegLib.model.inference import predict_logits
from ParetoSegLib.model.networks import build_network, tiny_arguments, window_step
from ParetoSegLib.model.precision import Plan, plan_for
from ParetoSegLib.model.windows import scan_windows, scanned_box

CPU = torch.device("cpu")
OTHER = torch.device("cpu", 1)
"""Computes on the CPU but is not it by name: stands in for an accelerator."""

ALL = (True, True, True, True)


class Toy(torch.nn.Module):
    """Calls a function on each batch and counts the windows."""

    def __init__(self, function=lambda images, presence: images[:, :3] * 2 - 1):
        super().__init__()
        self.function = function
        self.batches = []

    def forward(self, images, presence):
        self.batches.append(images.shape[0])
        return self.function(images, presence)


def volume(shape, seed=0):
    return np.random.default_rng(seed).normal(size=(4, *shape)).astype(np.float32)


def everywhere(images):
    return np.ones(images.shape[1:], bool)


def tiny(name="UNet", seed=0):
    torch.manual_seed(seed)
    return build_network(name, tiny_arguments(name)).eval()


class TestAgreement:
    @pytest.mark.parametrize(
        ("shape", "overlap", "batch"),
        [
            ((40, 33, 50), 0.25, 1),
            ((40, 33, 50), 0.5, 3),
            ((16, 16, 16), 0.25, 1),
            ((9, 40, 13), 0.25, 2),  # smaller than a patch along two axes
            ((5, 6, 7), 0.25, 4),
        ],
    )
    @pytest.mark.parametrize("name", ["UNet", "SegResNet"])
    def test_equals_monais_sliding_window(self, name, shape, overlap, batch):
        network, images, patch = tiny(name), volume(shape), (16, 16, 16)
        presence = (True, False, True, False)
        flags = torch.tensor([presence]).float()
        inferer = SlidingWindowInferer(patch, 1, overlap, mode="gaussian")
        with torch.no_grad():
            expected = inferer(
                torch.from_numpy(images)[None], lambda x: network(x, flags.expand(len(x), -1))
            )[0].numpy()
        found = predict_logits(
            network, images, presence, everywhere(images), patch, overlap, half=False, batch=batch
        )
        assert found.values.shape == (3, *shape)
        assert found.values.dtype == np.float32
        assert np.abs(found.values - expected).max() < 1e-4
        assert found.notes == ()
        assert found.backend.endswith("fp32")

    @settings(max_examples=25, deadline=None)
    @given(
        shape=st.tuples(*[st.integers(3, 40)] * 3),
        patch=st.tuples(*[st.sampled_from([8, 12, 16])] * 3),
        overlap=st.floats(0, 0.7),
        batch=st.integers(1, 5),
    )
    def test_a_voxelwise_network_is_blended_without_a_trace(self, shape, patch, overlap, batch):
        images = volume(shape)
        found = predict_logits(
            Toy(), images, ALL, everywhere(images), patch, overlap, half=False, batch=batch
        )
        assert np.allclose(found.values, images[:3] * 2 - 1, atol=1e-4)

    def test_presence_reaches_the_network(self):
        network = Toy(lambda x, p: p[:, :3, None, None, None].expand(-1, -1, *x.shape[2:]))
        images = volume((12, 12, 12))
        mask = everywhere(images)
        found = predict_logits(network, images, (True, False, True, False), mask, (8, 8, 8))
        assert np.allclose(found.values.mean((1, 2, 3)), [1, 0, 1])

    def test_no_seams(self):
        """What windows get wrong at their borders must not show where they meet."""
        kernel = torch.nn.AvgPool3d(7, stride=1, padding=3)  # padding: wrong near every border
        network = Toy(lambda x, p: kernel(x[:, :3] + 4))
        images = np.zeros((4, 72, 32, 32), np.float32)
        found = predict_logits(network, images, ALL, everywhere(images), (32, 32, 32), half=False)
        worst = 4 * 3 / 7  # of one window by itself
        line = found.values[0, 6:-6, 16, 16]
        assert abs(line - 4).max() < 0.04 * worst
        assert abs(np.diff(line)).max() < 0.04 * worst
        assert len(network.batches) == 3

    def test_inputs_are_left_alone(self):
        images = volume((20, 20, 20))
        mask = everywhere(images)
        kept = images.copy()
        network = tiny().train()
        before = {k: v.clone() for k, v in network.state_dict().items()}
        predict_logits(network, images, ALL, mask, (16, 16, 16), tta=True)
        assert np.array_equal(images, kept)
        assert mask.all()
        assert network.training
        for key, value in network.state_dict().items():
            assert torch.equal(value, before[key])
            assert value.is_contiguous()
            assert not value.is_inference()

    def test_mismatched_arrays_are_refused(self):
        with pytest.raises(ValueError, match="belong together"):
            predict_logits(Toy(), volume((8, 8, 8)), ALL, np.ones((8, 8, 9), bool), (8, 8, 8))

    def test_a_cpu_gives_the_same_twice(self):
        images = volume((30, 30, 30))
        a, b = (
            predict_logits(tiny(), images, ALL, everywhere(images), (16, 16, 16), half=half)
            for half in (True, True)
        )
        assert np.array_equal(a.values, b.values)


class TestSkipping:
    def corner(self):
        mask = np.zeros((64, 64, 64), bool)
        mask[2:20, 2:20, 2:20] = True
        mask[50:60, 50:60, 50:60] = True
        return mask

    def test_inside_the_mask_nothing_changes(self):
        images, mask, patch = volume((64, 64, 64)), self.corner(), (16, 16, 16)
        mask[0, 0, 0] = mask[-1, -1, -1] = True  # the same box, so the same windows
        network = tiny()
        skipped = predict_logits(network, images, ALL, mask, patch, half=False)
        full = predict_logits(network, images, ALL, everywhere(images), patch, half=False)
        assert np.array_equal(skipped.values[:, mask], full.values[:, mask])
        assert (skipped.values[:, 30:34, 2:6, 55:60] == OUTSIDE_LOGIT).all()

    def test_windows_without_the_mask_are_not_computed(self):
        images, patch = volume((64, 64, 64)), (16, 16, 16)
        part, whole = Toy(), Toy()
        predict_logits(part, images, ALL, self.corner(), patch, half=False)
        predict_logits(whole, images, ALL, everywhere(images), patch, half=False)
        assert sum(part.batches) < 0.3 * sum(whole.batches)

    def test_only_the_box_around_the_mask_is_scanned(self):
        images, mask = volume((64, 64, 64)), np.zeros((64, 64, 64), bool)
        mask[30:34, 30:34, 30:34] = True
        network = Toy()
        found = predict_logits(network, images, ALL, mask, (16, 16, 16), half=False)
        assert network.batches == [1]
        looked = found.values[0] != OUTSIDE_LOGIT
        # One window of 16³ was run; the mask and its rim of two voxels keep what it said.
        np.testing.assert_array_equal(looked, grown(mask, 2))
        assert looked[mask].all()

    def test_an_empty_mask_is_said(self):
        images = volume((10, 10, 10))
        fractions = []
        found = predict_logits(
            Toy(), images, ALL, np.zeros((10, 10, 10), bool), (8, 8, 8), progress=fractions.append
        )
        assert (found.values == OUTSIDE_LOGIT).all()
        assert "empty" in found.notes[0]
        assert fractions == [1.0]

    @settings(max_examples=200, deadline=None)
    @given(st.data())
    def test_the_box_holds_the_mask_and_a_patch_where_it_can(self, data):
        sides = st.tuples(*[st.integers(1, 30)] * 3)
        shape, patch = data.draw(sides), data.draw(sides)
        mask = np.zeros(shape, bool)
        for _ in range(data.draw(st.integers(1, 3))):
            mask[tuple(data.draw(st.integers(0, n - 1)) for n in shape)] = True
        box = scanned_box(mask, patch)
        assert mask[box].sum() == mask.sum()
        for extent, side, size in zip(box, patch, shape, strict=True):
            assert 0 <= extent.start < extent.stop <= size
            assert extent.stop - extent.start >= min(side, size)

    @given(
        st.tuples(*[st.integers(8, 50)] * 3),
        st.tuples(*[st.integers(1, 8)] * 3),
        st.floats(0, 0.9),
    )
    @settings(max_examples=50, deadline=None)
    def test_windows_cover_every_voxel_once_at_least(self, shape, patch, overlap):
        if overlap > 0.5:
            patch = tuple(side + 4 for side in patch)
            shape = tuple(max(a, b) for a, b in zip(shape, patch, strict=True))
        seen = np.zeros(shape, bool)
        windows = scan_windows(shape, patch, overlap)
        for window in windows:
            assert seen[window].shape == patch
            seen[window] = True
        assert seen.all()
        assert len({str(window) for window in windows}) == len(windows)


class TestLargeWindows:
    """Of a network that says the same wherever the window lies."""

    def test_one_window_holds_everything(self):
        images, mask = volume((50, 40, 60)), np.zeros((50, 40, 60), bool)
        mask[10:45, 2:30, 5:55] = True
        network = Toy()
        found = predict_logits(network, images, ALL, mask, (16, 16, 16), half=False, step=8)
        assert network.batches == [1]
        expected = np.where(grown(mask, 2), images[:3] * 2 - 1, OUTSIDE_LOGIT)
        # The rim of the mask is looked at as far as the window, which ends on multiples of 8.
        assert np.array_equal(found.values[:, mask], expected[:, mask])
        assert (found.values[:, ~grown(mask, 2)] == OUTSIDE_LOGIT).all()

    def test_it_is_what_the_network_says_of_the_whole(self):
        torch.manual_seed(0)
        arguments = {**tiny_arguments("HalfUNet"), "fixed_norms": True}
        network = build_network("HalfUNet", arguments).eval()
        images = volume((40, 24, 32))
        found = predict_logits(
            network, images, ALL, everywhere(images), (16, 16, 16), half=False, step=8
        )
        with torch.no_grad():
            expected = network(torch.from_numpy(images)[None], torch.ones(1, 4))[0].numpy()
        assert np.array_equal(found.values, expected)

    def test_without_a_step_windows_are_those_it_was_trained_with(self):
        assert window_step("UNet", {}) == 0
        assert window_step("HalfUNet", {}) == 0
        assert window_step("HalfUNet", {"fixed_norms": True}) == 32


class TestMirroring:
    @pytest.mark.parametrize("axis", [1, 2, 3])
    def test_a_mirrored_case_gives_the_mirrored_result(self, axis):
        # Two windows an axis: their places are mirror images of each other.
        images = volume((28, 16, 28))
        network = tiny()
        arguments = (ALL, everywhere(images), (16, 16, 16))
        straight = predict_logits(network, images, *arguments, half=False, tta=True)
        turned = predict_logits(
            network, np.flip(images, axis).copy(), *arguments, half=False, tta=True
        )
        plain = predict_logits(network, np.flip(images, axis).copy(), *arguments, half=False)
        assert np.abs(np.flip(turned.values, axis) - straight.values).max() < 1e-4
        assert np.abs(np.flip(plain.values, axis) - straight.values).max() > 1e-3

    def test_it_is_the_mean_over_eight(self):
        network = Toy()
        images = volume((8, 8, 8))
        found = predict_logits(
            network, images, ALL, everywhere(images), (8, 8, 8), tta=True, half=False
        )
        assert len(network.batches) == 8
        assert np.allclose(found.values, images[:3] * 2 - 1, atol=1e-5)


class TestProgress:
    def test_rises_to_one(self):
        images, fractions = volume((30, 30, 30)), []
        predict_logits(
            Toy(), images, ALL, everywhere(images), (16, 16, 16), progress=fractions.append, batch=3
        )
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1.0
        assert len(fractions) == 9

    def test_ctrl_c_passes_and_leaves_the_network_as_it_was(self):
        def interrupt(fraction):
            raise KeyboardInterrupt

        images, network = volume((30, 30, 30)), tiny().train()
        with pytest.raises(KeyboardInterrupt):
            predict_logits(
                network, images, ALL, everywhere(images), (16, 16, 16), progress=interrupt
            )
        assert network.training


def starving(fits):
    """A network that runs out of memory unless ``fits(windows at once, failures so far)``."""
    failures = []

    def function(images, presence):
        if not fits(images.shape[0], len(failures)):
            failures.append(images.shape[0])
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return images[:, :3] * 2 - 1

    return Toy(function)


class TestOutOfMemory:
    def run(self, network, device=CPU, batch=8, step=0):
        images = volume((30, 30, 30))
        found = predict_logits(
            network,
            images,
            ALL,
            everywhere(images),
            (16, 16, 16),
            device=device,
            half=False,
            batch=batch,
            step=step,
        )
        # Whatever it took, the result is the same: no window lost, none counted twice.
        assert np.allclose(found.values, images[:3] * 2 - 1, atol=1e-4)
        return found

    @pytest.mark.parametrize("device", [CPU, OTHER])
    def test_large_windows_give_way_to_small_ones_first(self, device):
        sizes = []

        def function(images, presence):
            sizes.append(tuple(images.shape[2:]))
            if images.shape[-1] > 16:
                raise torch.OutOfMemoryError("out of memory")
            return images[:, :3] * 2 - 1

        found = self.run(Toy(function), device=device, batch=1, step=8)
        assert sizes[0] == (32, 32, 32)
        assert set(sizes[1:]) == {(16, 16, 16)}
        (note,) = found.notes
        assert "32×32×32 voxels; went on with smaller ones" in note

    def test_the_batch_is_halved_until_it_fits(self):
        network = starving(lambda windows, failures: windows <= 2)
        found = self.run(network)
        assert len(found.notes) == 2
        assert "8 windows at once; went on with 4" in found.notes[0]
        assert "4 windows at once; went on with 2" in found.notes[1]
        assert network.batches[:3] == [8, 4, 2]

    def test_memory_that_runs_out_half_way_loses_nothing(self):
        calls = []

        def function(images, presence):
            calls.append(images.shape[0])
            if len(calls) == 3:
                raise torch.OutOfMemoryError("out of memory")
            return images[:, :3] * 2 - 1

        found = self.run(Toy(function), batch=2)
        assert calls[:4] == [2, 2, 2, 1]
        assert sum(calls) == 27 + 2
        assert len(found.notes) == 1

    def test_then_the_sums_move_and_then_the_network(self):
        network = starving(lambda windows, failures: failures >= 4)
        found = self.run(network, device=OTHER, batch=4)
        assert [note.split("; ")[1] for note in found.notes] == [
            "went on with 2.",
            "went on with 1.",
            "went on with the sums in the CPU's memory.",
            "went on on the CPU.",
        ]
        assert found.device == "cpu"

    def test_sums_on_the_cpu_may_be_enough(self):
        network = starving(lambda windows, failures: failures >= 1)
        found = self.run(network, device=OTHER, batch=1)
        assert len(found.notes) == 1
        assert "sums in the CPU's memory" in found.notes[0]
        assert found.device == str(OTHER)

    def test_no_way_left_is_one_sentence(self):
        network = starving(lambda windows, failures: False).train()
        with pytest.raises(DeviceError, match="16×16×16 voxels; close other programs"):
            self.run(network)
        assert network.training
        assert network.batches == [8, 4, 2, 1]

    def test_other_failures_are_not_hidden(self):
        def function(images, presence):
            raise RuntimeError("shapes differ")

        with pytest.raises(RuntimeError, match="shapes differ"):
            self.run(Toy(function))


class TestPrecision:
    def test_half_that_overflows_is_done_again_in_single(self):
        def function(images, presence):
            value = float("nan") if torch.is_autocast_enabled("cpu") else 0.5
            return torch.full_like(images[:, :3], value)

        images = volume((20, 20, 20))
        found = predict_logits(
            Toy(function), images, ALL, everywhere(images), (16, 16, 16), half=True
        )
        assert np.allclose(found.values, 0.5)
        assert "went on in single" in found.notes[0]
        assert found.backend.endswith("fp32")

    def test_a_network_without_numbers_is_refused(self):
        network = Toy(lambda images, presence: images[:, :3] * float("inf"))
        images = volume((8, 8, 8))
        with pytest.raises(ModelFolderError, match="not numbers"):
            predict_logits(network, images, ALL, everywhere(images), (8, 8, 8))

    def test_half_is_close_to_single(self):
        images, network = volume((24, 24, 24)), tiny()
        half, single = (
            predict_logits(network, images, ALL, everywhere(images), (16, 16, 16), half=h).values
            for h in (True, False)
        )
        assert 0 < np.abs(half - single).max() < 0.1 * np.abs(single).max()

    @pytest.mark.parametrize("faster", [True, False])
    def test_the_probe_takes_half_where_it_is_faster(self, faster):
        def function(images, presence):
            time.sleep(0.001 if torch.is_autocast_enabled("cpu") == faster else 0.02)
            return images[:, :3]

        network = Toy(function)
        plan = plan_for(network, CPU, (8, 8, 8), None)
        assert plan.half == (torch.bfloat16 if faster else None)
        tried = len(network.batches)
        assert plan_for(network, CPU, (8, 8, 8), None) == plan
        assert len(network.batches) == tried

    def test_the_probe_takes_channels_last_where_it_is_faster(self):
        def function(images, presence):
            last = images.is_contiguous(memory_format=torch.channels_last_3d)
            time.sleep(0.001 if last else 0.02)
            return images[:, :3]

        assert plan_for(Toy(function), CPU, (8, 8, 8), None) == Plan(None, True)

    def test_a_precision_that_does_not_run_is_not_taken(self):
        def function(images, presence):
            if torch.is_autocast_enabled("cpu"):
                raise RuntimeError("no kernel for bfloat16")
            time.sleep(0.005)
            return images[:, :3]

        assert plan_for(Toy(function), CPU, (8, 8, 8), None).half is None

    @pytest.mark.parametrize("half", [True, False])
    def test_a_given_precision_is_not_timed(self, half):
        network = Toy()
        plan = plan_for(network, CPU, (8, 8, 8), half)
        assert plan == Plan(torch.bfloat16 if half else None)
        assert network.batches == []

    @pytest.mark.parametrize(
        "name",
        ["UNet", "SegResNet", "DynUNet", pytest.param("SwinUNETR", marks=pytest.mark.slow)],
    )
    def test_the_probe_runs_every_network(self, name):
        patch = (64, 32, 32)
        plan = plan_for(tiny(name), CPU, patch, None)
        assert str(plan).split()[0] in ("fp32", "bf16")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_agrees_with_the_cpu():
    images, network = volume((40, 40, 40)), tiny()
    arguments = (network, images, ALL, everywhere(images), (16, 16, 16))
    cpu = predict_logits(*arguments, half=False)
    gpu = predict_logits(*arguments, device="cuda", half=False)
    assert np.abs(cpu.values - gpu.values).max() < 2e-2
