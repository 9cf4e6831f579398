"""Work on a cluster is that of this machine; what fails is told in one line.

The schedulers and workers are real, each a process.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import clusters
import pytest
from clusters import start_cluster

from absslab.core.common import cluster as cluster_module
from absslab.core.common import cluster_client
from absslab.core.common.cluster import check_scheduler, map_jobs, map_on_cluster
from absslab.core.common.cluster_files import SharedFiles
from absslab.core.common.errors import InputError, WorkError
from absslab.core.common.notices import collect_notices
from absslab.core.common.parallel import count_cores

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with start_cluster(tmp_path_factory.mktemp("cluster") / "two") as two:
        yield two


@pytest.fixture(scope="module")
def lonely(tmp_path_factory):
    """A scheduler whose workers each test brings, and which gives up at the first lost worker."""
    allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    with start_cluster(tmp_path_factory.mktemp("cluster") / "none", 0, **allowed) as none:
        yield none


@pytest.fixture
def own(lonely):
    yield lonely
    lonely.end_workers()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    monkeypatch.setattr(cluster_client, "_TIMEOUT", 3.0)
    monkeypatch.setattr(cluster_module, "_INTERVAL", 0.05)


def refusal(address, *jobs, shared=SharedFiles()):
    with pytest.raises(InputError) as error:
        list(map_on_cluster(clusters.double, jobs or [1], address, shared))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_both_workers_do_all_jobs(cluster):
    done = list(map_jobs(clusters.double, range(50), scheduler=cluster.address))
    assert sorted(number for number, _ in done) == [2 * number for number in range(50)]
    assert {pid for _, pid in done} == {worker.pid for worker in cluster.workers}
    assert list(map_jobs(clusters.double, [], scheduler=cluster.address)) == []


def test_without_a_scheduler_this_machine_does_the_jobs():
    assert [number for number, _ in map_jobs(clusters.double, [1, 2], n_workers=1)] == [2, 4]


def test_notices_of_jobs_in_processes_are_given_here_once():
    with collect_notices() as notices:
        done = list(map_jobs(clusters.lose, ["a", "b", "a"], n_workers=2))
    assert sorted(done) == ["a", "a", "b"]
    assert sorted(map(str, notices)) == ["/data/a.wav lacks its end", "/data/b.wav lacks its end"]


def test_processes_and_a_scheduler_are_not_both_asked_for():
    with pytest.raises(InputError, match="n_workers is for processes of this machine"):
        check_scheduler("tcp://127.0.0.1:1", n_workers=2)


def test_an_error_of_a_job_is_raised_and_the_others_are_not_begun(cluster, tmp_path):
    jobs = [(number, str(tmp_path / str(number))) for number in range(100)]
    with pytest.raises(InputError, match=r"/data/3\.wav can't be used") as error:
        list(map_on_cluster(clusters.refuse, jobs, cluster.address))
    assert error.value.with_names() == "3.wav can't be used"
    # the workers are free for others at once
    assert [number for number, _ in map_on_cluster(clusters.double, [1], cluster.address)] == [2]
    assert len(list(tmp_path.iterdir())) < 20


def test_what_is_delivered_is_not_done_again_when_its_worker_ends(tmp_path):
    jobs = [str(tmp_path / "jobs" / str(number)) for number in range(60)]
    with start_cluster(tmp_path / "two") as two:
        results = map_on_cluster(clusters.count, jobs, two.address)
        delivered = [next(results) for _ in range(20)]
        time.sleep(0.5)  # what is not held any more is released in a message
        two.workers[0].kill()
        rest = list(results)
    assert sorted(job for job, _ in [*delivered, *rest]) == sorted(jobs)
    assert two.workers[0].pid in {pid for _, pid in delivered}
    assert [len(list(Path(job).iterdir())) for job, _ in delivered] == [1] * 20


def test_a_job_that_is_done_again_for_long_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "_RETURN_TIME", 0.3)
    take = distributed.Future.result
    with start_cluster(tmp_path / "one", 1) as one:

        def kill_first(future, timeout=None):
            if len(one.workers) == 1:  # the result is not fetched yet
                one.workers[0].kill()
                one.start_worker()
            return take(future, timeout)

        monkeypatch.setattr(distributed.Future, "result", kill_first)
        jobs = [str(tmp_path / "job")]
        ((job, pid),) = map_on_cluster(clusters.count, jobs, one.address)
        assert (job, pid) == (jobs[0], one.workers[1].pid)


def test_a_time_limit_of_a_job_is_an_error_of_the_job(cluster):
    with pytest.raises(TimeoutError, match="the disk does not answer"):
        list(map_on_cluster(clusters.time_out, [1], cluster.address))


def test_what_waits_is_cancelled_when_the_work_is_closed(cluster, tmp_path):
    jobs = [str(tmp_path / str(number)) for number in range(100)]
    with closing(map_on_cluster(clusters.record, jobs, cluster.address)) as results:
        next(results)
    list(map_on_cluster(clusters.double, range(4), cluster.address))
    assert len(list(tmp_path.iterdir())) < 20


def test_notices_of_workers_are_given_here_once_each(cluster):
    with collect_notices() as notices:
        list(map_on_cluster(clusters.lose, ["a", "b", "a"], cluster.address))
    assert sorted(notice.with_names() for notice in notices) == [
        "a.wav lacks its end",
        "b.wav lacks its end",
    ]


def test_workers_see_the_folder_and_the_files_and_nothing_is_left(cluster, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"sound")
    shared = SharedFiles(tmp_path / "out", [[tmp_path / "a.wav"]])
    assert len(list(map_on_cluster(clusters.double, [1, 2], cluster.address, shared))) == 2
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "address", ["nowhere", "{here}", "http://127.0.0.1:80", "tcp://127.0.0.1:x"]
)
def test_what_is_no_address_is_told(address):
    expected = f"scheduler is {address}: expected an address such as tcp://host:8786"
    assert refusal(address) == expected


def test_a_scheduler_that_is_not_there_is_told():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        assert f"the scheduler {address} can't be reached within 3 s" in refusal(address)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n", b"\0" * 64],
    ids=["nothing", "HTTP", "zeros"],
)
def test_what_is_no_scheduler_is_told(answer):
    def serve(server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connection.sendall(answer)
            kept.append(connection)

    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        assert re.search("can't be reached|does not answer as a dask scheduler", refusal(address))
        server.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()


def test_a_worker_is_no_scheduler(cluster):
    text = (cluster.folder / "worker-0.txt").read_text()
    address = re.search(r"Start worker at:\s+(\S+)", text)[1]
    assert f"{address} is the address of a worker: pass that of the scheduler" in refusal(address)


def test_the_package_that_is_needed_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    assert 'pip install "absslab[cluster]"' in refusal("tcp://127.0.0.1:1")


def test_a_worker_that_hangs_is_named(own):
    own.start_worker()
    worker = own.start_worker()
    own.wait(2)
    text = (own.folder / f"worker-{len(own.workers) - 1}.txt").read_text()
    address = re.search(r"Start worker at:\s+(\S+)", text)[1]
    worker.send_signal(signal.SIGSTOP)
    assert refusal(own.address).startswith(f"the worker {address} does not answer within 3 s: ")


def test_a_scheduler_that_hangs_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_client, "_TIMEOUT", 1.0)
    monkeypatch.setattr(cluster_module, "_PATIENCE", 1.0)
    with start_cluster(tmp_path / "one", 1) as one:
        jobs = [str(tmp_path / str(number)) for number in range(100)]
        results = map_on_cluster(clusters.record, jobs, one.address)
        next(results)
        one.scheduler.send_signal(signal.SIGSTOP)
        with pytest.raises(WorkError, match=r"does not answer within 1 s.* complete stays"):
            list(results)
        assert "can't be reached within 1 s" in refusal(one.address)


def test_a_worker_that_goes_away_during_the_checks_is_not_waited_for(own, monkeypatch):
    own.start_worker()
    worker = own.start_worker()
    own.wait(2)
    ask = distributed.Client.run

    def kill_first(client, *arguments, **flags):
        if worker.poll() is None:
            worker.kill()
            worker.wait()
        return ask(client, *arguments, **flags)

    monkeypatch.setattr(distributed.Client, "run", kill_first)
    assert [number for number, _ in map_on_cluster(clusters.double, [1], own.address)] == [2]


@pytest.mark.parametrize("comes", ["before", "later"])
def test_a_worker_that_would_train_two_models_at_a_time_is_refused(own, tmp_path, comes):
    own.start_worker(n_threads=2 if comes == "before" else 1)
    own.wait(1)
    jobs = [str(tmp_path / str(number)) for number in range(200)]
    results = map_on_cluster(clusters.record, jobs, own.address, single_threads=True)
    if comes == "later":
        next(results)
        own.start_worker(n_threads=2)
    with pytest.raises(InputError, match=r"the worker tcp:\S+ has 2 threads.* --nthreads 1"):
        list(results)


def test_tls_without_certificates_is_told():
    message = refusal("tls://127.0.0.1:1")
    assert "dask's configuration names no certificates here" in message


def test_a_scheduler_without_workers_is_told(lonely):
    with pytest.raises(InputError, match=r"has no worker: start one with dask worker tcp://"):
        check_scheduler(lonely.address)


def test_no_scheduler_needs_no_check():
    check_scheduler("")


LACKING = """
import sys
sys.modules["absslab"] = None
"""
OTHER = """
import absslab.core.common.version
absslab.core.common.version.__version__ = "0.0.9"
"""
OTHER_PACKAGE = """
import importlib.metadata as metadata
read = metadata.version
metadata.version = lambda name: "0.1" if name == "{}" else read(name)
"""


@pytest.mark.parametrize(
    ("site", "message"),
    [
        (LACKING, r"the worker tcp://127\.0\.0\.1:\d+ can't import absslab"),
        (OTHER, r"the worker tcp://127\.0\.0\.1:\d+ has absslab 0\.0\.9, this process 0\."),
        (
            OTHER_PACKAGE.format("distributed"),
            r"the worker tcp:\S+ has distributed 0\.1, this process 20",
        ),
    ],
    ids=["lacks the package", "another version", "another version of dask"],
)
def test_a_worker_with_another_environment_is_named(own, site, message):
    own.start_worker(site=site)
    own.wait(1)
    assert re.match(message, refusal(own.address))


def test_other_versions_of_what_computes_are_told(own):
    own.start_worker(site=OTHER_PACKAGE.format("soxr"))
    own.wait(1)
    with collect_notices() as notices:
        check_scheduler(own.address)
    (notice,) = notices
    assert re.search(r"has soxr 0\.1 instead of .*: what it computes may differ", str(notice))


@pytest.fixture
def hidden(tmp_path):
    """A folder, and the command in front of a process that does not see what it holds."""
    folder = tmp_path / "hidden"
    folder.mkdir()
    script = f'mount -t tmpfs none "{folder}" && exec "$0" "$@"'
    command = ("unshare", "--map-root-user", "--mount", "sh", "-c", script)
    if not shutil.which("unshare") or subprocess.run([*command, "true"]).returncode:
        pytest.skip("this system hides no folder from a process")
    return folder, command


@pytest.mark.parametrize("kind", ["written", "read"])
def test_a_worker_that_does_not_see_the_files_is_named(own, hidden, kind):
    folder, command = hidden
    (folder / "a.wav").write_bytes(b"sound")
    own.start_worker(before=command)
    own.wait(1)
    shared = SharedFiles(folder) if kind == "written" else SharedFiles(read=[[folder / "a.wav"]])
    message = refusal(own.address, shared=shared)
    assert re.match(r"the worker tcp://\S+ does not see /\S+hidden", message)
    assert [path.name for path in folder.iterdir()] == ["a.wav"]


def test_a_worker_that_comes_late_and_does_not_see_the_files_is_named(own, hidden, tmp_path):
    folder, command = hidden
    own.start_worker()
    own.wait(1)
    jobs = [str(tmp_path / "jobs" / str(number)) for number in range(100)]
    (tmp_path / "jobs").mkdir()
    results = map_on_cluster(clusters.record, jobs, own.address, SharedFiles(folder))
    next(results)
    own.start_worker(before=command)
    with pytest.raises(InputError, match="does not see"):
        list(results)


def test_the_job_of_a_killed_worker_is_done_by_another(tmp_path):
    with start_cluster(tmp_path / "two") as two:
        jobs = [str(tmp_path / name) for name in "ab"]
        done = list(map_on_cluster(clusters.die_once, jobs[:1], two.address))
        assert done == jobs[:1]
        assert sorted(worker.poll() is None for worker in two.workers) == [False, True]
        two.start_worker()  # those that come later help as well
        done += list(map_on_cluster(clusters.die_once, jobs[1:], two.address))
        assert done == jobs


def test_a_worker_that_is_started_again_goes_on(tmp_path):
    with start_cluster(tmp_path / "one", 0) as one:
        one.start_worker(has_nanny=True)
        one.wait(1)
        jobs = [str(tmp_path / "job")]
        assert list(map_on_cluster(clusters.die_once, jobs, one.address)) == jobs


@pytest.mark.parametrize("n_threads", [None, "3"])
def test_trainings_have_the_threads_that_the_user_has_set(own, n_threads):
    given = "-uOMP_NUM_THREADS" if n_threads is None else f"OMP_NUM_THREADS={n_threads}"
    own.start_worker(before=("env", given), has_nanny=True)
    own.wait(1)
    ((worker, training),) = map_on_cluster(clusters.tell_threads, [1], own.address)
    assert worker == (n_threads or "1")
    assert training == n_threads


def test_trainings_of_workers_on_one_machine_share_its_cores(own):
    for _ in range(2):
        own.start_worker(before=("env", "-uOMP_NUM_THREADS"), has_nanny=True)
    own.wait(2)
    ((_, training),) = map_on_cluster(clusters.tell_threads, [1], own.address)
    assert training == str(min(count_cores(), max(1, os.cpu_count() // 2)))


def test_a_slow_worker_does_few_jobs(own):
    own.start_worker(DELAY="0.5")
    own.start_worker(DELAY="0.01")
    own.wait(2)
    done = list(map_on_cluster(clusters.double, range(40), own.address))
    assert sorted(number for number, _ in done) == [2 * number for number in range(40)]
    slow = own.workers[-2].pid
    assert sum(pid == slow for _, pid in done) < 20


def test_a_job_that_ends_its_workers_is_told_in_one_line(own):
    own.start_worker()
    own.wait(1)
    with pytest.raises(WorkError, match="ended again and again at the same job") as error:
        list(map_on_cluster(clusters.die, [1], own.address))
    assert "\n" not in str(error.value)


def test_that_no_worker_is_left_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "_PATIENCE", 1.0)
    with start_cluster(tmp_path / "one", 1) as one:
        jobs = [str(tmp_path / str(number)) for number in range(100)]
        results = map_on_cluster(clusters.record, jobs, one.address)
        next(results)
        one.workers[0].kill()
        with pytest.raises(WorkError, match=r"no worker is left .* the same command goes on"):
            list(results)


def test_a_scheduler_that_goes_away_is_told_in_one_line(tmp_path, capfd):
    with start_cluster(tmp_path / "one", 1) as one:
        jobs = [str(tmp_path / str(number)) for number in range(100)]
        results = map_on_cluster(clusters.record, jobs, one.address)
        next(results)
        capfd.readouterr()
        one.scheduler.kill()
        with pytest.raises(WorkError, match=r"has gone: .* the same command goes on") as error:
            list(results)
    assert "\n" not in str(error.value)
    assert capfd.readouterr().err == ""
