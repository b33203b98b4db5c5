"""Work behind the answers: a fault costs no other work, and what waits is done when it is asked for."""

from threading import Event

from cds_service.background import BackgroundWorker, TaskQueue


def test_a_task_that_fails_costs_no_other(logged):
    """A fault of a task is logged by its kind and place, without its text, and the next task is done."""
    done: list[int] = []

    def fail(_items):
        message = "canary"
        raise ValueError(message)

    queue = TaskQueue()
    queue.submit(fail, 1)
    queue.submit(done.extend, 2)
    [line] = logged()
    assert (done, line["event"], line["error"]) == ([2], "fault", "ValueError")
    assert "canary" not in str(line)


def test_tasks_of_a_kind_are_done_together():
    """In a queue that is started, items that come close together are one batch of their task, in their order."""
    batches: list[list[int]] = []
    queue = TaskQueue()
    queue.start()
    for number in range(5):
        queue.submit(batches.append, number)
    queue.drain()
    assert [number for batch in batches for number in batch] == [0, 1, 2, 3, 4]
    assert len(batches) < 5


def test_a_step_that_fails_ends_no_worker(logged):
    """A fault of a step is logged by its kind, without its text, and the next one comes after the interval."""
    done, faults = Event(), iter((ValueError("canary"), OSError(24, "canary")))

    def step() -> None:
        for fault in faults:
            raise fault
        done.set()

    worker = BackgroundWorker("test", step, interval=0.01)
    worker.wake()
    assert done.wait(60)
    worker.stop(60)
    lines = logged()
    assert [(line["event"], line["error"]) for line in lines] == [("fault", "ValueError"), ("fault", "OSError")]
    assert "canary" not in str(lines)
