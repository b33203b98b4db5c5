"""What each page may do in a browser: nothing from elsewhere, nothing inline."""

from flask import Response, make_response, render_template

from cds_service.web.parts import parts

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


def page(template: str, *, policy: dict[str, str] | None = None, **values: object) -> Response:
    """Return a rendered page under a strict Content-Security-Policy; `policy` widens it for this page alone."""
    found = parts()
    response = make_response(render_template(template, knowledge=found.knowledge, shows=found.shows, **values))
    directives = _POLICY | (policy or {})
    response.headers["Content-Security-Policy"] = "; ".join(f"{name} {value}" for name, value in directives.items())
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response
