"""Tasks on the user's workers, and what becomes of those that were in flight when a worker died."""

import sys
import time
from concurrent.futures import BrokenExecutor

from joblib import Parallel, delayed, effective_n_jobs

from deepradiomics.archive._chunks import Measured, measure
from deepradiomics.exceptions import InputError

# Images set aside before any has been measured: then it is not the images.
_HOPELESS = 3
# Deaths of workers on an image alone before it is set aside; a worker may die for a reason of its own, too.
_DEATHS = 2
# Seconds for a cluster to replace workers that died.
_PATIENCE = 120


class Crew:
    """Runs tasks under the user's ``joblib.parallel_config`` and hands over what comes back."""

    def __init__(self, estimator, batch_size, n_jobs, take):
        self._job = (estimator, batch_size)
        self._n_jobs = n_jobs
        self._take = take
        self._n_measured = 0
        self._n_killed = 0
        self._n_workers = effective_n_jobs(n_jobs)

    def finish(self, tasks):
        """Run all tasks; after a death, halve those in flight until the image that kills stands alone."""
        tasks = iter(tasks)
        while suspects := self._run(tasks):
            if any(len(task.ids) > 1 for task in suspects):
                self.finish(half for task in suspects for half in halves(task, self._job[1]))
                continue
            for task in suspects:
                if all(self._run(iter([task])) for _ in range(_DEATHS)):
                    self._set_aside(task)

    def _run(self, tasks):
        """Run tasks until a worker dies; return those that had been handed out then and did not come back."""
        flying = {}
        self._wait_for_workers()
        try:
            parallel = Parallel(n_jobs=self._n_jobs, batch_size=1, return_as="generator_unordered")
            for number, measured in parallel(self._handed_out(tasks, flying)):
                self._n_measured += 1
                self._take(flying.pop(number), measured)
        except _deaths():
            return list(flying.values())
        return []

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
            yield delayed(_numbered)(*self._job, (number, task.rows))

    def _set_aside(self, task):
        self._n_killed += 1
        if self._n_killed >= _HOPELESS and not self._n_measured:
            raise InputError(
                f"workers die on every image, such as {task.ids[0]}; does the estimator work on one image, and have "
                "the workers enough memory?",
                code="workers_die",
            )
        self._take(task, Measured(None, None, [(0, "", "killed")]))


def _numbered(estimator, batch_size, numbered):
    number, rows = numbered
    return number, measure(estimator, rows, batch_size)


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
    """Errors that say that a worker died; dask's client meets them when it sends or fetches."""
    if "distributed" not in sys.modules:
        return (BrokenExecutor,)
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm import CommClosedError

    return (BrokenExecutor, KilledWorker, FutureCancelledError, CommClosedError)
