"""Work behind the answers: a task that fails costs no other, and what waits is done when it is asked for."""

from cds_service.background import TaskQueue


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
