"""The way of each request: the doors that it passes before it is answered, and what is noted of it afterwards.

Flask takes all requests this way. Hook calls need nothing else of it, and it would take longer than most of their
decisions; so they go the same way straight from the server, unless a browser sends them (Flask-CORS answers that).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask, Response, g
from werkzeug.http import HTTP_STATUS_CODES

from cds_service.logs import log_fault
from cds_service.web import error_handlers
from cds_service.web.request_context import Answer, RequestContext, begin_call, this_call

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


Door = Callable[[RequestContext], None]
"""Lets a call pass, or raises why not."""

Note = Callable[[RequestContext, int], None]
"""Takes note of a call and its status, when it is answered."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The doors in their order, what is done whatever happened, and the notes in theirs."""

    doors: tuple[Door, ...]
    leave: Door
    notes: tuple[Note, ...]

    def note(self, call: RequestContext, status: int) -> None:
        """Take all notes; a fault of ours is logged by its kind, and keeps no answer back."""
        for note in self.notes:
            try:
                note(call, status)
            except Exception as error:  # noqa: BLE001 - whatever it is, the clinician gets the answer
                log_fault(error)


def through_flask(app: Flask, passage: Passage) -> None:
    """Let Flask take all requests this way."""

    def note(response: Response) -> Response:
        passage.note(this_call(), response.status_code)
        return response

    def leave(_error: BaseException | None) -> None:
        if "call" in g:
            passage.leave(this_call())

    app.before_request(begin_call)
    for door in passage.doors:
        app.before_request(_by_flask(door))
    app.after_request(note)
    app.teardown_request(leave)


def _by_flask(door: Door) -> Callable[[], None]:
    return lambda: door(this_call())


def straight(
    flask: "WSGIApplication",
    passage: Passage,
    answered: Callable[[RequestContext, str], Answer],
    services: Iterable[str],
) -> "WSGIApplication":
    """Return an application that answers the calls of these services this way, and leaves all else to Flask."""
    addresses = {f"/cds-services/{service}": service for service in services}

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        service = addresses.get(path)
        if service is None or environ["REQUEST_METHOD"] != "POST" or "HTTP_ORIGIN" in environ:
            return flask(environ, start_response)
        call = RequestContext(environ, "POST", path, "hook_calls")
        answer = _passed(call, service)
        passage.note(call, answer.status)
        start_response(*_head(answer))
        return (answer.body,)

    def _passed(call: RequestContext, service: str) -> Answer:
        try:
            for door in passage.doors:
                door(call)
            return answered(call, service)
        except Exception as error:  # noqa: BLE001 - each has its answer
            return error_handlers.answer_to(error)
        finally:
            passage.leave(call)

    return application


def _head(answer: Answer) -> tuple[str, list[tuple[str, str]]]:
    """Return the status line and the headers."""
    status = f"{answer.status} {HTTP_STATUS_CODES[answer.status]}"
    sized = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
    return status, [*sized, *answer.headers.items()]
