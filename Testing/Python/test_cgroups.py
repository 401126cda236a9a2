"""Limits of containers and job schedulers, read from folders laid out as the kernel's documentation describes them."""

from pathlib import Path

import pytest

from ACSegLib.cgroups import core_quota, memory_left

GIB = 1 << 30


def system(root: Path, membership: str, **files: object) -> Path:
    """A false root: ``proc/self/cgroup``, and files below ``sys/fs/cgroup`` (``__`` in a name stands for ``/``)."""
    (root / "proc" / "self").mkdir(parents=True)
    (root / "proc" / "self" / "cgroup").write_text(membership)
    for name, content in files.items():
        path = root / "sys" / "fs" / "cgroup" / name.replace("__", "/").replace("_OF_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def test_a_computer_without_control_groups_has_no_limit(tmp_path):
    assert memory_left(tmp_path) is None
    assert core_quota(tmp_path) is None


def test_version_2_without_limits(tmp_path):
    root = system(
        tmp_path, "0::/user.slice\n", user_OF_slice__memory_OF_max="max", user_OF_slice__cpu_OF_max="max 100000"
    )
    assert memory_left(root) is None
    assert core_quota(root) is None


def test_docker_with_version_2(tmp_path):
    """``docker run --memory 8g --cpus 1.5``: the group is the top of what the container sees."""
    stat = f"anon {GIB}\ninactive_file {GIB}\nactive_file 5"
    root = system(
        tmp_path,
        "0::/\n",
        memory_OF_max=8 * GIB,
        memory_OF_current=3 * GIB,
        memory_OF_stat=stat,
        cpu_OF_max="150000 100000",
    )
    assert memory_left(root) == 6 * GIB
    assert core_quota(root) == 1.5


def test_slurm_limits_the_job_above_the_task_with_version_2(tmp_path):
    job = "system_OF_slice__slurmstepd_OF_scope__job_7"
    root = system(
        tmp_path,
        "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
        **{
            f"{job}__memory_OF_max": 4 * GIB,
            f"{job}__memory_OF_current": GIB,
            f"{job}__cpu_OF_max": "max 100000",
            f"{job}__step_0__user__task_0__memory_OF_max": "max",
            f"{job}__step_0__user__task_0__memory_OF_current": GIB // 2,
        },
    )
    assert memory_left(root) == 3 * GIB
    assert core_quota(root) is None


def test_slurm_with_version_1(tmp_path):
    membership = "5:memory:/slurm/uid_1/job_7/step_0\n4:cpu,cpuacct:/slurm/uid_1/job_7/step_0\n0::/\n"
    root = system(
        tmp_path,
        membership,
        memory__slurm__uid_1__job_7__memory_OF_limit_in_bytes=2 * GIB,
        memory__slurm__uid_1__job_7__memory_OF_usage_in_bytes=GIB,
        memory__slurm__uid_1__job_7__step_0__memory_OF_limit_in_bytes=9223372036854771712,
        **{
            "cpu,cpuacct__slurm__uid_1__job_7__cpu_OF_cfs_quota_us": 400000,
            "cpu,cpuacct__slurm__uid_1__job_7__cpu_OF_cfs_period_us": 100000,
            "cpu,cpuacct__cpu_OF_cfs_quota_us": -1,
            "cpu,cpuacct__cpu_OF_cfs_period_us": 100000,
        },
    )
    assert memory_left(root) == GIB
    assert core_quota(root) == 4


def test_docker_with_version_1_shows_the_hosts_path(tmp_path):
    """The group's folder is the top of what the container sees, whatever path the host calls it."""
    root = system(
        tmp_path,
        "5:memory:/docker/0123abc\n4:cpu:/docker/0123abc\n",
        memory__memory_OF_limit_in_bytes=2 * GIB,
        memory__memory_OF_usage_in_bytes=GIB,
        memory__memory_OF_stat=f"total_inactive_file {GIB // 2}",
        cpu__cpu_OF_cfs_quota_us=50000,
        cpu__cpu_OF_cfs_period_us=100000,
    )
    assert memory_left(root) == 3 * GIB // 2
    assert core_quota(root) == 0.5


@pytest.mark.parametrize("content", ["", "nonsense", "-5", "1e9"])
def test_unreadable_numbers_are_no_limit(tmp_path, content):
    root = system(tmp_path, "0::/\n", memory_OF_max=content, memory_OF_current="x", cpu_OF_max=f"{content} 100000")
    assert memory_left(root) is None
    assert core_quota(root) is None


def test_a_group_over_its_limit_has_nothing_left(tmp_path):
    root = system(tmp_path, "0::/\n", memory_OF_max=GIB, memory_OF_current=2 * GIB)
    assert memory_left(root) == 0
