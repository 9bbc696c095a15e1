"""What every handler does first: is the request for us, who sends it, and what may they do."""

from __future__ import annotations

import hmac
import json
import logging
import time
from http import HTTPStatus
from typing import Any

from tornado.web import HTTPError, RequestHandler

import nasfarm
from nasfarm.errors import FarmError, RetryError, UnknownNameError
from nasfarm.web import guard
from nasfarm.web.site import Site, Who
from nasfarm.web.users import User

log = logging.getLogger(__name__)

LOGIN, LOGIN_DAYS = "farm_login", 7
HERE = Who("", "operate")
"""Whoever may use this machine's loopback address."""

OTHER_NAME = "Here only localhost and 127.0.0.1 are answered. To listen for others: web.listen."
PROXIED = (
    "This came through a proxy, for somebody elsewhere, and here nobody is asked for a login. Let "
    "the page listen on an address of your network, and lead the proxy there: web.listen."
)
OTHER_SITE = "This form was sent by another site's page."
ONLY_LOOK = "You may look, but not change anything: that needs the role operate."
TOO_MANY = "Too many wrong passwords from your address. Wait a minute, then try again."


class Base(RequestHandler):
    """A page or answer for those who are logged in.

    is_open: everybody gets it. for_all: whoever only reads may send it, too. by_header: name and
    password came with the request itself.
    """

    is_open = False
    for_all = False
    who: Who | None = None
    by_header = False

    @property
    def site(self) -> Site:
        site: Site = self.settings["site"]
        return site

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in guard.HEADERS.items():
            self.set_header(name, value)

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Names of files need not be UTF-8."""
        return value.decode("utf-8", "surrogateescape")

    # -- before anything is answered ---------------------------------------------------------

    async def prepare(self) -> None:
        request = self.request
        if self.site.loopback and not guard.is_loopback(guard.host_of(request.host)):
            # Another site whose name was made to lead here (DNS rebinding).
            raise HTTPError(403, OTHER_NAME)
        if self.site.loopback and any(name in request.headers for name in guard.FORWARDED):
            # Many proxies name this address as the host, and would let in whoever reaches them.
            raise HTTPError(403, PROXIED)
        self.who = HERE if self.site.loopback else await self._known()
        if self.who is None and not self.is_open:
            self.refuse()
            return
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            if guard.is_foreign(request.headers.get("Origin"), request.host):
                raise HTTPError(403, OTHER_SITE)
            self.check_xsrf_cookie()
            if not self.for_all and not self.acts:
                raise HTTPError(403, ONLY_LOOK)

    @property
    def acts(self) -> bool:
        return self.who is not None and self.who.acts

    async def _known(self) -> Who | None:
        who = self.of_cookie()
        return who if who or self.is_open else await self._of_header()

    def of_cookie(self) -> Who | None:
        """Whose login the request carries, if they still have the right."""
        text = self.get_signed_cookie(LOGIN, max_age_days=LOGIN_DAYS, min_version=2)
        name, _, mark = (text or b"").decode().rpartition("|")
        user = self.site.users.all().get(name) if name else None
        if user is None or not hmac.compare_digest(mark, user.mark):
            return None
        return Who(name, user.role)

    async def _of_header(self) -> Who | None:
        said = guard.basic(self.request.headers.get("Authorization", ""))
        self.by_header = said is not None
        return None if said is None else await self.checked(*said)

    async def checked(self, name: str, password: str) -> Who | None:
        """The user of this name and password. Raises HTTPError 429 after many that were wrong."""
        site, address = self.site, str(self.request.remote_ip)
        known = self._known_by(name, password)
        if known is not None:  # without scrypt, which a scraper would pay for each time
            return known
        async with site.turn:  # else all that come at once are heard before one is counted
            known = self._known_by(name, password)
            if known is not None:
                return known
            if site.attempts.wait_s(address, time.monotonic()):
                raise HTTPError(429, TOO_MANY)
            user = await site.check(name, password)
            if user is None:
                site.attempts.failed(address, time.monotonic())
                fields = {"action": "login_refused", "user": name[:63], "address": address}
                log.warning("wrong name or password", extra=fields)
                return None
            site.attempts.passed(address)
            site.passed[name] = self._proof(name, password, user)
            return Who(name, user.role)

    def _known_by(self, name: str, password: str) -> Who | None:
        """Whoever was right with the same words before."""
        user = self.site.users.all().get(name)
        before = self.site.passed.get(name, b"")
        if user and hmac.compare_digest(before, self._proof(name, password, user)):
            return Who(name, user.role)
        return None

    def _proof(self, name: str, password: str, user: User) -> bytes:
        said = f"{user.hash} {name} {password}".encode("utf-8", "surrogatepass")
        return hmac.digest(self.site.key, said, "sha256")

    def refuse(self, wrong: str = "", status: int = 401) -> None:
        """Ask for a login: browsers by a page, programs by HTTP's own way."""
        self.set_status(status)
        if self._is_program():
            self.set_header("WWW-Authenticate", 'Basic realm="nasfarm", charset="UTF-8"')
            self.plain("Log in: farm users add NAME --role read, on the box itself.\n")
            return
        self.set_header("Content-Security-Policy", guard.login_policy(self.site.style))
        self.set_header("Referrer-Policy", guard.OWN_REFERRER)
        get = self.request.method in ("GET", "HEAD")
        next_path = guard.local_path(self.get_argument("next", self.request.uri if get else "/"))
        values = self._common("Log in", "", "")
        self.finish(self.site.renderer.page("login", **values, wrong=wrong, next_path=next_path,
                                            style=self.site.style))  # fmt: skip

    def _is_program(self) -> bool:
        headers = self.request.headers
        asks_page = "text/html" in headers.get("Accept", "") or "Sec-Fetch-Mode" in headers
        return self.request.path == "/metrics" or not asks_page

    # -- answers -----------------------------------------------------------------------------

    def plain(self, text: str) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(text)

    def page(
        self, template: str, title: str, *, events: str = "", version: str = "", **values: object
    ) -> None:
        """Answer with a page. events: where its changes are told."""
        self.set_header("Content-Security-Policy", guard.PAGE)
        self.set_header("Referrer-Policy", guard.OWN_REFERRER)
        common = self._common(title, events, version)
        self.finish(self.site.renderer.page(template, **common, **values))

    def _common(self, title: str, events: str, version: str) -> dict[str, Any]:
        site = self.site
        return {
            "title": title, "node": site.settings.node, "release": nasfarm.__version__,
            "static": self.static_url, "xsrf": self.xsrf_token.decode(), "acts": self.acts,
            "user": self.who.name if self.who else "", "events": events, "version": version,
            "flower": self._flower(),
        }  # fmt: skip

    def _flower(self) -> str:
        """Flower's address, as whoever sees this page can reach it; empty where they cannot."""
        listens, port = guard.split_listen(self.site.settings.flower_listen)
        host = guard.host_of(self.request.host)
        if guard.is_loopback(listens) and not guard.is_loopback(host):
            return ""
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Say what is wrong: a FarmError in its own words, anything else by its status."""
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        said = HTTPStatus(status_code).description
        if isinstance(error, FarmError):
            said = str(error)
            self.set_status(status_of(error))
        elif isinstance(error, HTTPError) and error.get_message():
            said = error.get_message() or said
        if status_code == 429:
            self.set_header("Retry-After", "60")
        if "application/json" in self.request.headers.get("Accept", ""):
            self.set_header("Content-Type", "application/json")
            self.finish(json.dumps({"said": said}))
        elif self._is_program() or self.who is None:
            self.plain(f"{said}\n")
        else:
            self.page("error", HTTPStatus(self.get_status()).phrase, said=said)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """What somebody asked wrongly is no defect of ours."""
        if not isinstance(value, FarmError | HTTPError):
            super().log_exception(typ, value, tb)


def status_of(error: FarmError) -> int:
    """The HTTP status that says what the caller must do."""
    if isinstance(error, UnknownNameError):
        return 404
    return 503 if isinstance(error, RetryError) else 409


class NotFound(Base):
    """What is asked for under any other address."""

    async def prepare(self) -> None:
        await super().prepare()
        if not self._finished:
            raise HTTPError(404)
