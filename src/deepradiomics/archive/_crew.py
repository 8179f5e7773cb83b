"""Run tasks on joblib workers; an image whose worker dies is found and set aside."""

import multiprocessing
import sys
import time
from concurrent.futures import BrokenExecutor
from itertools import chain, islice

from joblib import Parallel, delayed, effective_n_jobs

from deepradiomics.archive._chunks import Measured
from deepradiomics.exceptions import InputError

# Images set aside before any has been measured: then it is not the images.
_HOPELESS = 3
# Deaths of workers on an image alone before it is set aside; a worker may die for a reason of its own, too.
_DEATHS = 2
# joblib is not told when dask gives a task up: workers count as dead when nothing has come for this many seconds, and
# for so many more an image of a chunk; once there are results, for 20 times what the slowest chunk took.
_GRACE, _SLOWEST = 60, 10.0
# Seconds for a cluster to replace workers that died.
_PATIENCE = 120


class Crew:
    """Runs ``work`` on the rows of tasks under the user's ``joblib.parallel_config`` and hands over what comes back."""

    def __init__(self, work, n_jobs, take, *, batch_size=1):
        self._work, self._batch_size = work, batch_size
        self._n_jobs = n_jobs
        self._take = take
        self._n_measured = 0
        self._n_killed = 0
        self._n_workers = effective_n_jobs(n_jobs)
        self._pace = _SLOWEST

    def finish(self, tasks, size):
        """Run all tasks, of `size` images; after a death, halve those in flight until the one that kills is alone."""
        tasks = iter(tasks)
        for first in tasks:
            suspects = self._run(chain([first], tasks), size)
            longest = max((len(task.ids) for task in suspects), default=0)
            if longest > 1:
                self.finish((half for task in suspects for half in halves(task, self._batch_size)), longest)
                continue
            for task in suspects:
                if all(self._run(iter([task]), 1) for _ in range(_DEATHS)):
                    self._set_aside(task)

    def _run(self, tasks, size):
        """Run tasks until a worker dies; return those that had been handed out then and did not come back."""
        flying = {}
        self._wait_for_workers()
        try:
            for number, seconds, measured in self._results(self._handed_out(tasks, flying), size):
                task = flying.pop(number)
                self._pace = min(_SLOWEST, max(self._pace * bool(self._n_measured), 20 * seconds / len(task.ids)))
                self._n_measured += 1
                self._take(task, measured)
        except _deaths():
            if not flying:
                raise
        return list(flying.values())

    def _results(self, calls, size):
        """Yield results as they come; backends that give them all together (ray) get some chunks at a time."""
        settings = {"n_jobs": self._n_jobs, "batch_size": 1}
        if self._n_workers > 1:
            settings["timeout"] = _GRACE + self._pace * size
        try:
            parallel = Parallel(return_as="generator_unordered", **settings)
        except ValueError:
            while window := list(islice(calls, 4 * self._n_workers)):
                yield from Parallel(**settings)(window)
        else:
            yield from parallel(calls)

    def _wait_for_workers(self):
        """Wait until a cluster has replaced its dead: with a single one, joblib would run tasks in this process."""
        end = time.monotonic() + _PATIENCE
        while (n_workers := effective_n_jobs(self._n_jobs)) < min(self._n_workers, 2):
            if time.monotonic() > end:
                raise InputError(
                    f"{n_workers} of {self._n_workers} workers are left; start the cluster anew and run again: what "
                    "was finished is kept",
                    code="workers_die",
                )
            time.sleep(0.1)

    def _handed_out(self, tasks, flying):
        for number, task in enumerate(tasks):
            flying[number] = task
            # In a tuple, since dask scatters what is not, and loses that with the worker it was sent to.
            yield delayed(_numbered)(self._work, (number, task.rows))

    def _set_aside(self, task):
        self._n_killed += 1
        if self._n_killed >= _HOPELESS and not self._n_measured:
            raise InputError(
                f"workers die on every image, such as {task.ids[0]}; does the work succeed on one image, and have the "
                "workers enough memory?",
                code="workers_die",
            )
        self._take(task, Measured(None, None, [(0, "", "killed")]))


def _numbered(work, numbered):
    start = time.perf_counter()
    number, rows = numbered
    measured = work(rows)
    return number, time.perf_counter() - start, measured


def halves(task, batch_size):
    """Cut a task in two, between batches as long as there are several; one image stays one."""
    if len(task.ids) == 1:
        return [task]
    middle = len(task.ids) // 2
    if len(task.ids) > batch_size:
        middle = max(middle // batch_size, 1) * batch_size
    return [cut(task, 0, middle), cut(task, middle, len(task.ids))]


def cut(task, start, stop):
    """Take some images of a task."""
    own = {"ids": task.ids[start:stop], "digests": task.digests[start:stop], "rows": task.rows.iloc[start:stop]}
    return task._replace(**own)


def _deaths():
    """Errors that say that a worker died; the clients of dask and ray meet them when they send or fetch."""
    kinds = [BrokenExecutor, multiprocessing.TimeoutError]
    if "distributed" in sys.modules:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError
        from distributed.comm import CommClosedError

        kinds += [KilledWorker, FutureCancelledError, CommClosedError]
    if "ray" in sys.modules:
        from ray.exceptions import RayActorError, WorkerCrashedError

        kinds += [RayActorError, WorkerCrashedError]
    return tuple(kinds)
