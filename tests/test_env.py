"""What the machine allows, and randomness that belongs to somebody."""

import json
import math
import subprocess
import sys
import types

import pytest
import torch

from gancourse import env
from gancourse.errors import CourseError


@pytest.mark.parametrize("profile, value", [("smoke", 1), ("cpu", 2), ("gpu", 3)])
def test_budget_follows_the_profile(monkeypatch, profile, value):
    monkeypatch.setenv("GANCOURSE_PROFILE", profile.upper())
    assert env.budget(smoke=1, cpu=2, gpu=3) == value


def test_unknown_profile_names_the_known_ones(monkeypatch):
    monkeypatch.setenv("GANCOURSE_PROFILE", "fast")
    with pytest.raises(CourseError, match="smoke, cpu, gpu"):
        env.profile()


def test_asking_for_cuda_without_one_says_what_to_do(monkeypatch):
    monkeypatch.setenv("GANCOURSE_DEVICE", "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CourseError, match="Runtime"):
        env.device()


@pytest.mark.parametrize("kind", ["normal", "uniform", "sphere"])
def test_noise_comes_only_from_its_generator(kind):
    before = torch.get_rng_state()
    first = env.noise(5, env.rng(3, "cpu"), kind)(7)
    again = env.noise(5, env.rng(3, "cpu"), kind)(7)
    assert first.shape == (7, 5) and torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_has_the_distribution_that_it_says():
    m, dim = 4000, 16
    normal, uniform, sphere = (
        env.noise(dim, env.rng(0, "cpu"), kind)(m) for kind in ("normal", "uniform", "sphere")
    )
    assert normal.var().item() == pytest.approx(1, rel=0.03)
    assert uniform.abs().max() <= 1 and uniform.var().item() == pytest.approx(1 / 3, rel=0.03)
    assert torch.allclose(sphere.norm(dim=1), torch.full((m,), math.sqrt(dim)))
    with pytest.raises(ValueError, match="dim=0"):
        env.noise(0, env.rng(0, "cpu"))


def test_precision_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("GANCOURSE_PRECISION", "bf16")
    with env.autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with env.autocast(enabled=False):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_report_prints_and_collects(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANCOURSE_REPORT", str(tmp_path / "figures.json"))
    env.report(a=1)
    env.report(b=torch.tensor(0.25), a=2.0)
    assert json.loads((tmp_path / "figures.json").read_text()) == {"figures": {"a": 2.0, "b": 0.25}}
    assert "b = 0.25" in capsys.readouterr().out


def test_expectations_are_recorded_said_where_they_fail_and_never_raise(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("GANCOURSE_REPORT", str(tmp_path / "figures.json"))
    monkeypatch.setenv("GANCOURSE_PROFILE", "cpu")
    env.report(a=1.0)
    env.expect("a is 1", torch.tensor(True), "It was not.")
    env.expect("a is 2", float("nan") > 2, "It was 1 this time.")
    found = json.loads((tmp_path / "figures.json").read_text())
    assert found == {"figures": {"a": 1.0}, "expectations": {"a is 1": True, "a is 2": False}}
    out = capsys.readouterr().out
    assert "NOTE: It was 1 this time." in out and "It was not." not in out


def test_a_smoke_run_is_too_short_for_expectations(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GANCOURSE_REPORT", str(tmp_path / "figures.json"))
    monkeypatch.setenv("GANCOURSE_PROFILE", "smoke")
    env.expect("a is 2", False, "It was 1.")
    assert not (tmp_path / "figures.json").exists() and capsys.readouterr().out == ""


def test_folders_follow_the_course_or_the_variables(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.delenv("GANCOURSE_RUNS", raising=False)
    assert env.run_dir("03_dcgan") == tmp_path / "runs" / "03_dcgan"
    monkeypatch.setenv("GANCOURSE_RUNS", str(tmp_path / "else"))
    assert env.run_dir("x") == tmp_path / "else" / "x"


def test_start_says_where_it_runs(capsys):
    env.start()
    out = capsys.readouterr().out
    assert "device" in out and "profile" in out and "data" in out


def test_start_says_what_colab_users_need(monkeypatch, capsys):
    monkeypatch.delenv("GANCOURSE_RUNS")
    env.start("99.0")
    out = capsys.readouterr().out
    assert "Change runtime type" not in out and "Drive" not in out
    assert f"belongs to gancourse 99.0, and {env.__version__} is installed" in out
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab")
    env.start()
    out = capsys.readouterr().out
    assert "Change runtime type" in out and "env.keep_on_drive()" in out and "NOTICE" not in out


def test_start_sets_what_is_fast_on_a_gpu(monkeypatch, capsys):
    before = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
    monkeypatch.setattr(env, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Tesla T4")
    monkeypatch.setenv("GANCOURSE_PRECISION", "fp32")
    try:
        env.start()
        assert torch.backends.cudnn.benchmark
        assert torch.get_float32_matmul_precision() == "high"
        assert "cuda (Tesla T4), fp32" in capsys.readouterr().out
    finally:
        torch.backends.cudnn.benchmark = before[0]
        torch.set_float32_matmul_precision(before[1])


def test_runs_are_kept_on_drive(tmp_path, monkeypatch):
    with pytest.raises(CourseError, match="only be used on Colab"):
        env.keep_on_drive()
    drive = types.ModuleType("google.colab")
    drive.drive = types.SimpleNamespace(mount=lambda place: (tmp_path / "MyDrive").mkdir())
    monkeypatch.setitem(sys.modules, "google.colab", drive)
    monkeypatch.setattr(env, "DRIVE", tmp_path)
    assert env.keep_on_drive() == tmp_path / "MyDrive" / "gancourse-runs"
    assert env.run_dir("03_dcgan") == tmp_path / "MyDrive" / "gancourse-runs" / "03_dcgan"
    with pytest.raises(CourseError, match="allow the access"):  # mounting fails the second time
        env.keep_on_drive()


def test_resources_are_plausible():
    assert 50 < env.resources()["peak_mb"] < 20_000


def test_peak_memory_is_not_that_of_the_parent():
    """Linux hands ru_maxrss on to a program that is started; a notebook's kernel is started."""
    ballast = torch.ones(150_000_000)  # 600 MB
    code = "from gancourse import env; print(env.resources()['peak_mb'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < env.resources()["peak_mb"] - 300
    assert len(ballast)
